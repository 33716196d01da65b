#pragma once

#include "actors/messages.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace vp {

/// The one spelling of `progress` in JSON: in the database, in events and in HTTP answers. An estimate that there is
/// nothing to base on is null.
void to_json(nlohmann::json& out, const progress& x);

/// The progress in `text`; an empty one where it is not valid.
progress progress_from_json(std::string_view text);

/// As text on one line. Bytes that are no UTF-8 become U+FFFD instead of an exception.
std::string to_text(const nlohmann::json& value);

} // namespace vp
