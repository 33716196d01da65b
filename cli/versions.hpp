#pragma once

#include "media/error.hpp"

#include <map>
#include <string>

namespace vp::cli {

/// Of this program and of all else that has a say in the files it makes, by name.
result<std::map<std::string, std::string>> program_versions();

} // namespace vp::cli
