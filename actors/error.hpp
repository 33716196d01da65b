#pragma once

#include "media/error.hpp"

#include <caf/all.hpp>

#include <type_traits>
#include <utility>

namespace vp {

/// Whether it is of category "vp".
bool is_ours(const caf::error& problem);

/// Errors of category "vp" carry an `errc` and a sentence; `from_caf` turns CAF's own (a time-out, an actor that is
/// gone) into ours, so that everybody above the actors sees one kind.
caf::error to_caf(const error& problem);
caf::error to_caf(errc code, std::string text);
error from_caf(const caf::error& problem);

/// A result as what a message handler answers.
template <class T>
caf::result<T> to_caf(result<T> from) {
  if (!from)
    return to_caf(from.error());
  if constexpr (std::is_void_v<T>)
    return caf::unit;
  else
    return std::move(*from);
}

} // namespace vp
