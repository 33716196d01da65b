#pragma once

#include "actors/node_interfaces.hpp"

namespace vp {

source_reader_actor::behavior_type source_reader(source_reader_actor::pointer self);

} // namespace vp
