#pragma once

#include <string>

namespace vp::nodes {

/// 128 random bits as hex digits: a name that nobody else has.
std::string random_name();

} // namespace vp::nodes
