#include "http/connection.hpp"

#include "http/exchange.hpp"
#include "http/io_thread.hpp"
#include "http/sendfile.hpp"

#include <boost/asio/socket_base.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>

namespace vp::http {

namespace {

/// What an idle connection costs; a request's header mostly fits.
constexpr std::size_t small_buffer = 1024;

constexpr std::string_view cors_fields =
    "Access-Control-Allow-Origin: *\r\n"
    "Access-Control-Expose-Headers: Accept-Ranges, Allow, Content-Length, Content-Range, Date, ETag, Last-Modified, "
    "Retry-After\r\n"
    "X-Content-Type-Options: nosniff\r\n";

/// Why a request could not be read, as its sender should hear it; nothing when nobody is there to hear.
std::optional<problem> to_refusal(beast::error_code failure, const request_parser& parser) {
  using beast::http::error;
  if (failure == beast::error::timeout)
    return problem{status::request_timeout, "the request's header came too slowly"};
  if (failure == error::header_limit || failure == error::buffer_overflow) {
    if (parser.get().target().empty())
      return problem{status::uri_too_long, "the request's target is too long"};
    return problem{status::request_header_fields_too_large, "the request's header is too large"};
  }
  if (failure.category() == make_error_code(error::bad_method).category() && failure != error::end_of_stream
      && failure != error::partial_message)
    return problem{status::bad_request, "not a well-formed request: " + failure.message()};
  return std::nullopt;
}

/// What is wrong with a header that can be read.
std::optional<problem> find_fault(const request_parser& parser, const limits& limits) {
  const auto& head = parser.get();
  if (head.version() != 10 && head.version() != 11)
    return problem{status::http_version_not_supported, "HTTP/1.1 is spoken here"};
  if (head.version() == 11 && head.count(field::host) != 1)
    return problem{status::bad_request, "the request needs one Host field"};
  if (head.target().size() > limits.target)
    return problem{status::uri_too_long, "the request's target is too long"};
  if (const auto expect = head.find(field::expect);
      expect != head.end() && !beast::iequals(expect->value(), "100-continue"))
    return problem{status::expectation_failed, "the only expectation that is met is 100-continue"};
  if (const auto encoding = head.find(field::transfer_encoding);
      encoding != head.end()
      && (head.count(field::transfer_encoding) != 1 || !beast::iequals(encoding->value(), "chunked")))
    return problem{status::not_implemented, "the only transfer encoding that is understood is chunked"};
  return std::nullopt;
}

reply preflight_reply(const router::other_method& path) {
  auto answer = empty_reply(status::no_content);
  answer.head.set(field::allow, path.allow);
  answer.head.set(field::access_control_allow_methods, path.allow);
  answer.head.set(field::access_control_allow_headers,
                  "Accept, Authorization, Cache-Control, Content-Type, If-Modified-Since, If-None-Match, If-Range, "
                  "Last-Event-ID, Range, X-Requested-With, *");
  answer.head.set(field::access_control_max_age, "86400");
  return answer;
}

reply method_reply(const router::other_method& path) {
  auto answer = problem_reply(problem{status::method_not_allowed, "this path knows the methods " + path.allow});
  answer.head.set(field::allow, path.allow);
  return answer;
}

/// Calls a handler. What it throws is a fault of the server, and the client hears that there is one.
asio::awaitable<reply> handle(const route& way, exchange& request) {
  try {
    co_return co_await way.handle(request);
  } catch (const std::exception& cause) {
    const auto* system = dynamic_cast<const boost::system::system_error*>(&cause);
    if (system && system->code() == asio::error::operation_aborted)
      throw; // the connection is being ended
    spdlog::error("{} failed: {}", way.pattern, cause.what());
  }
  co_return problem_reply(problem{status::internal_server_error, "the server made a mistake; its log says which"});
}

/// Has a body by its status (RFC 9112 section 6.3).
bool has_length(status code) {
  return code != status::no_content && code != status::not_modified;
}

} // namespace

connection::connection(io_thread& owner, service& app, asio::ip::tcp::socket socket, bool refused)
    : owner_(owner), app_(app), socket_(std::move(socket)), buffer_(app.config.limits.header), refused_(refused) {
  app_.measures.connections.Increment();
  beast::error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay{true}, ignored);
}

connection::~connection() {
  --app_.connections;
  app_.measures.connections.Decrement();
}

// -- time limits ----------------------------------------------------------------------------------

void connection::arm(clock::duration limit) {
  deadline_ = clock::now() + limit;
  expired_ = false;
}

beast::error_code connection::disarm(beast::error_code outcome) {
  deadline_ = clock::time_point::max();
  if (std::exchange(expired_, false) && outcome == asio::error::operation_aborted)
    return beast::error::timeout;
  return outcome;
}

void connection::check(clock::time_point now) {
  if (now < deadline_)
    return;
  deadline_ = clock::time_point::max();
  expired_ = true;
  beast::error_code ignored;
  socket_.cancel(ignored);
}

void connection::stop() {
  if (idle_)
    kill();
}

void connection::kill() {
  // Whichever way the coroutine goes from here, its next operation on the socket fails.
  const auto self = shared_from_this();
  cancel_.emit(asio::cancellation_type::terminal);
  beast::error_code ignored;
  socket_.close(ignored);
}

// -- reading and writing --------------------------------------------------------------------------

asio::awaitable<connection::io_result> connection::read_some(asio::mutable_buffer out, clock::duration limit) {
  arm(limit);
  const auto [failure, size] = co_await socket_.async_read_some(out, as_result);
  co_return io_result{disarm(failure), size};
}

asio::awaitable<beast::error_code> connection::read_some(request_parser& parser, clock::duration limit) {
  arm(limit);
  const auto [failure, size] = co_await beast::http::async_read_some(socket_, buffer_, parser, as_result);
  co_return disarm(failure);
}

asio::awaitable<beast::error_code> connection::write(std::string_view data, bool more_follows) {
#ifdef MSG_MORE
  const asio::socket_base::message_flags flags = more_follows ? MSG_MORE : 0;
#else
  const asio::socket_base::message_flags flags = 0;
  static_cast<void>(more_follows);
#endif
  pace pace{app_.config.limits.write_idle, app_.config.limits.write_rate};
  while (!data.empty()) {
    const auto start = clock::now();
    arm(pace.patience());
    const auto [failure, size] = co_await socket_.async_send(asio::buffer(data), flags, as_result);
    if (const auto outcome = disarm(failure))
      co_return outcome;
    pace.waited += clock::now() - start;
    pace.bytes += size;
    app_.measures.sent.Increment(static_cast<double>(size));
    data.remove_prefix(size);
  }
  co_return beast::error_code{};
}

asio::awaitable<beast::error_code> connection::send_file(const file_slice& slice) {
  auto offset = slice.offset;
  const auto end = slice.offset + slice.size;
  pace pace{app_.config.limits.write_idle, app_.config.limits.write_rate};
  while (offset < end) {
    const auto sent = send_from_file(socket_.native_handle(), slice.file.native_handle(), offset, end - offset);
    if (!sent)
      co_return sent.error();
    app_.measures.sent.Increment(static_cast<double>(*sent));
    offset += *sent;
    pace.bytes += *sent;
    if (offset == end)
      break;
    // Also where the socket would take more at once: the other connections of this thread want their turn.
    const auto start = clock::now();
    arm(pace.patience());
    const auto [failure] = co_await socket_.async_wait(asio::socket_base::wait_write, as_result);
    if (const auto outcome = disarm(failure))
      co_return outcome;
    pace.waited += clock::now() - start;
  }
  co_return beast::error_code{};
}

asio::awaitable<beast::error_code> connection::send_late(const late_file& file) {
  if (const auto failure = co_await write(fmt::format("{:x}\r\n{}\r\n", file.first.size(), file.first)))
    co_return failure;
  idle_ = true;
  const auto rest = co_await file.rest(*this);
  idle_ = false;
  if (!rest) {
    spdlog::debug("a fragment that was waited for has not come: {}", rest.error().text);
    co_return beast::error_code{asio::error::operation_aborted};
  }
  if (rest->size > 0) {
    if (const auto failure = co_await write(fmt::format("{:x}\r\n", rest->size), true))
      co_return failure;
    if (const auto failure = co_await send_file(*rest))
      co_return failure;
    if (const auto failure = co_await write("\r\n", true))
      co_return failure;
  }
  co_return co_await write("0\r\n\r\n");
}

asio::awaitable<void> connection::wait_until_gone() {
  while (buffer_.size() < app_.config.limits.header) {
    const auto [failure, size] = co_await socket_.async_read_some(
        buffer_.prepare(std::min(small_buffer, app_.config.limits.header - buffer_.size())), as_result);
    if (failure)
      co_return;
    buffer_.commit(size);
  }
  co_await socket_.async_wait(asio::socket_base::wait_error, as_result);
}

std::string connection::address() const {
  beast::error_code ignored;
  const auto peer = socket_.remote_endpoint(ignored);
  return ignored ? std::string{} : peer.address().to_string();
}

bool connection::is_from_here() const {
  beast::error_code ignored;
  const auto peer = socket_.remote_endpoint(ignored).address();
  return !ignored && (peer.is_loopback() || peer == socket_.local_endpoint(ignored).address()) && !ignored;
}

/// A socket that is closed with unread bytes in it is reset, and the client never sees the response that explains. So:
/// close our side, and read on for a while.
asio::awaitable<void> connection::linger() {
  beast::error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  idle_ = true;
  const auto end = clock::now() + app_.config.limits.body_idle;
  std::vector<char> dropped(16 * 1024);
  while (!ignored && clock::now() < end && !owner_.stopping()) {
    const auto [failure, size] = co_await read_some(asio::buffer(dropped), std::chrono::seconds(5));
    if (failure)
      break;
  }
}

// -- requests -------------------------------------------------------------------------------------

asio::awaitable<void> connection::run() {
  while (!owner_.stopping() && socket_.is_open()) {
    if (buffer_.size() == 0) {
      if (buffer_.capacity() > small_buffer)
        buffer_.shrink_to_fit();
      idle_ = true;
      arm(app_.config.limits.idle_time);
      const auto [failure, size] = co_await socket_.async_read_some(buffer_.prepare(small_buffer), as_result);
      idle_ = false;
      if (disarm(failure))
        co_return;
      buffer_.commit(size);
    }
    if (!co_await serve_one()) {
      co_await linger();
      co_return;
    }
  }
}

asio::awaitable<std::optional<problem>> connection::read_header(request_parser& parser) {
  arm(app_.config.limits.header_time);
  const auto [failure, size] = co_await beast::http::async_read_header(socket_, buffer_, parser, as_result);
  if (const auto outcome = disarm(failure)) {
    auto refusal = to_refusal(outcome, parser);
    if (!refusal) {
      // Nobody is there any more.
      beast::error_code ignored;
      socket_.close(ignored);
    }
    co_return refusal;
  }
  co_return find_fault(parser, app_.config.limits);
}

asio::awaitable<bool> connection::serve_one() {
  request_parser parser;
  parser.header_limit(static_cast<std::uint32_t>(app_.config.limits.header));
  parser.body_limit(boost::none);
  const auto start = clock::now();
  const auto fault = co_await read_header(parser);
  if (!socket_.is_open())
    co_return false;

  static const std::string no_route = "none";
  const auto& head = parser.get();
  const std::string* label = &no_route;
  reply answer;
  bool keep = false;

  if (fault) {
    answer = problem_reply(*fault);
    if (co_await send(answer, false, head.method() != verb::head, 11))
      co_return false;
    app_.measures.count(*label, "none", answer.head.result_int(), clock::now() - start);
    co_return false;
  }

  body_reader body{*this, parser};
  const auto where = parse_target({head.target().data(), head.target().size()});
  if (refused_) {
    answer = problem_reply(problem{status::service_unavailable, "too many connections"});
  } else if (head.method() == verb::options && head.target() == "*") {
    answer = preflight_reply({"GET, HEAD, POST, DELETE, OPTIONS"});
  } else if (!where) {
    answer = problem_reply(where.error());
  } else {
    const auto match = app_.router.match(head.method(), *where);
    if (const auto* found = std::get_if<router::found>(&match)) {
      label = &found->way->pattern;
      exchange request{app_, head, *where, found->arguments, body, *this};
      answer = co_await handle(*found->way, request);
    } else if (const auto* path = std::get_if<router::other_method>(&match)) {
      answer = head.method() == verb::options ? preflight_reply(*path) : method_reply(*path);
    } else {
      answer = problem_reply(problem{status::not_found, "no such page"});
    }
  }

  const bool endless = std::holds_alternative<stream>(answer.body);
  keep = head.keep_alive() && body.is_nearly_done() && !endless && !refused_ && !owner_.stopping();
  const auto failure = co_await send(answer, keep, head.method() != verb::head, head.version());
  const auto took = clock::now() - start;
  const auto method = head.method() == verb::unknown ? beast::string_view{"other"} : head.method_string();
  app_.measures.count(*label, {method.data(), method.size()}, answer.head.result_int(), took);
  spdlog::debug("{} {} {} {:.1f} ms", std::string_view{head.method_string().data(), head.method_string().size()},
                std::string_view{head.target().data(), head.target().size()}, answer.head.result_int(),
                std::chrono::duration<double, std::milli>(took).count());
  if (failure) {
    beast::error_code ignored;
    socket_.close(ignored);
    co_return false;
  }
  co_return keep&& co_await body.skip();
}

std::string connection::compose_head(const reply& answer, bool keep, unsigned version) const {
  const auto code = answer.head.result_int();
  const auto reason = beast::http::obsolete_reason(answer.head.result());
  std::string text;
  text.reserve(768);
  auto out = std::back_inserter(text);
  fmt::format_to(out, "HTTP/1.1 {} {}\r\nDate: {}\r\nServer: vidpipeline\r\n", code,
                 std::string_view{reason.data(), reason.size()}, owner_.date());
  text += cors_fields;
  for (const auto& line : answer.head) {
    text.append(line.name_string().data(), line.name_string().size());
    text += ": ";
    text.append(line.value().data(), line.value().size());
    text += "\r\n";
  }
  if (const auto* whole = std::get_if<std::string>(&answer.body); whole && has_length(answer.head.result()))
    fmt::format_to(out, "Content-Length: {}\r\n", whole->size());
  else if (const auto* slice = std::get_if<file_slice>(&answer.body))
    fmt::format_to(out, "Content-Length: {}\r\n", slice->size);
  else if (std::holds_alternative<late_file>(answer.body))
    text += "Transfer-Encoding: chunked\r\n";
  if (!keep)
    text += "Connection: close\r\n";
  else if (version == 10)
    text += "Connection: keep-alive\r\n";
  text += "\r\n";
  return text;
}

asio::awaitable<beast::error_code> connection::send(reply& answer, bool keep, bool body_wanted, unsigned version) {
  auto text = compose_head(answer, keep, version);
  if (const auto* whole = std::get_if<std::string>(&answer.body)) {
    if (body_wanted)
      text += *whole;
    co_return co_await write(text);
  }
  const auto* slice = std::get_if<file_slice>(&answer.body);
  if (auto failure = co_await write(text, body_wanted && slice && slice->size > 0); failure || !body_wanted)
    co_return failure;
  if (slice)
    co_return co_await send_file(*slice);
  if (const auto* late = std::get_if<late_file>(&answer.body))
    co_return co_await send_late(*late);
  idle_ = true;
  co_await std::get<stream>(answer.body)(*this);
  idle_ = false;
  co_return beast::error_code{};
}

} // namespace vp::http
