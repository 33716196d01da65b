#pragma once

#include <string>

namespace vp::nodes {

/// 128 random bits as hex digits: a name that nobody else has, or a word that nobody can guess.
std::string random_name();

} // namespace vp::nodes
