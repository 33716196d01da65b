#pragma once

#include "media/error.hpp"

#include <caf/all.hpp>

namespace vp {

/// Errors of category "vp" carry an `errc` and a sentence; `from_caf` turns CAF's own (a time-out, an actor that is
/// gone) into ours, so that everybody above the actors sees one kind.
caf::error to_caf(const error& problem);
caf::error to_caf(errc code, std::string text);
error from_caf(const caf::error& problem);

} // namespace vp
