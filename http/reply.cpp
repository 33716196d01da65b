#include "http/reply.hpp"

#include "actors/json.hpp"

namespace vp::http {

namespace {

status status_of(errc code) {
  switch (code) {
  case errc::invalid_request:
    return status::bad_request;
  case errc::not_found:
    return status::not_found;
  case errc::conflict:
    return status::conflict;
  case errc::too_large:
    return status::payload_too_large;
  case errc::unsupported_media:
    return status::unsupported_media_type;
  case errc::disk_full:
    return status::insufficient_storage;
  case errc::overloaded:
    return status::service_unavailable;
  case errc::incomplete:
  case errc::not_arrived:
  case errc::timed_out:
    return status::gateway_timeout;
  default:
    return status::internal_server_error;
  }
}

} // namespace

problem to_problem(const error& cause) {
  return {status_of(cause.code), cause.text.empty() ? to_string(cause.code) : cause.text};
}

reply empty_reply(status code) {
  reply answer;
  answer.head.result(code);
  return answer;
}

reply text_reply(status code, std::string_view type, std::string body) {
  auto answer = empty_reply(code);
  answer.head.set(field::content_type, {type.data(), type.size()});
  answer.head.set(field::cache_control, "no-store");
  answer.body = std::move(body);
  return answer;
}

reply json_reply(status code, const nlohmann::json& body) {
  return text_reply(code, "application/json", to_text(body));
}

reply problem_reply(const problem& cause) {
  auto answer = json_reply(cause.code, {{"detail", cause.detail}});
  if (cause.code == status::service_unavailable)
    answer.head.set(field::retry_after, "1");
  return answer;
}

reply problem_reply(const error& cause) {
  return problem_reply(to_problem(cause));
}

} // namespace vp::http
