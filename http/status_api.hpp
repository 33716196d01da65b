#pragma once

#include "http/router.hpp"

namespace vp::http {

/// How the server is, for machines: health, readiness, metrics, and the description of its interface.
void add_status_api(router& routes);

/// The OpenAPI 3.1 document, as it is served.
extern const std::string_view openapi_document;

} // namespace vp::http
