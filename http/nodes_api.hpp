#pragma once

#include "http/router.hpp"

namespace vp::http {

/// The nodes whose workers encode for this server: list, drain.
void add_nodes_api(router& routes);

} // namespace vp::http
