#pragma once

#include "media/error.hpp"
#include "media/types.hpp"

#include <string>
#include <string_view>

namespace vp::media {

/// A plan as it is kept in the database and sent to other nodes. Reading one that misses a field or has a wrong one is
/// `invalid_request`, and so is one of another `format_version`, for its renditions would get bytes of two kinds.
/// So is one whose renditions' ids and names are not plain words: they become names of files. Unknown fields are
/// ignored.
std::string plan_to_json(const plan& plan);
result<plan> plan_from_json(std::string_view text);

} // namespace vp::media
