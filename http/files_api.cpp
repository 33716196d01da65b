#include "http/files_api.hpp"

#include "http/byte_range.hpp"
#include "http/exchange.hpp"
#include "http/late_fragment.hpp"
#include "http/mime.hpp"
#include "http/validators.hpp"

#include <fmt/format.h>

namespace vp::http {

namespace {

constexpr std::string_view immutable = "public, max-age=31536000, immutable";
/// May be kept, but must be asked for again: costs a 304 as long as it is the same.
constexpr std::string_view revalidated = "no-cache";

validators identify(const open_file& file) {
  return {fmt::format("\"{:x}-{:x}-{:x}{:08x}\"", file.inode, file.size, file.modified.tv_sec, file.modified.tv_nsec),
          file.modified.tv_sec};
}

/// Answers a GET of a file: whole, in part (RFC 9110 section 14) or not at all, when the client's copy is good.
reply file_reply(const request_head& head, open_file file, std::string_view name, std::string_view cache_control) {
  const auto current = identify(file);
  auto answer = empty_reply(status::ok);
  answer.head.set(field::cache_control, {cache_control.data(), cache_control.size()});
  answer.head.set(field::etag, current.etag);
  answer.head.set(field::last_modified, format_date(current.modified));
  if (is_not_modified(head, current)) {
    answer.head.result(status::not_modified);
    return answer;
  }

  byte_range part{range_kind::whole, 0, file.size};
  // Of a HEAD it means nothing (RFC 9110 section 14.2).
  if (const auto range = head.find(field::range);
      range != head.end() && head.method() == verb::get && range_applies(head, current))
    part = choose_range({range->value().data(), range->value().size()}, file.size);
  if (part.kind == range_kind::unsatisfiable) {
    auto refusal = problem_reply(problem{status::range_not_satisfiable, "the range begins past the end of the file"});
    refusal.head.set(field::content_range, fmt::format("bytes */{}", file.size));
    return refusal;
  }
  if (part.kind == range_kind::part) {
    answer.head.result(status::partial_content);
    answer.head.set(field::content_range,
                    fmt::format("bytes {}-{}/{}", part.offset, part.offset + part.size - 1, file.size));
  }
  const auto type = mime_type(name);
  answer.head.set(field::content_type, {type.data(), type.size()});
  answer.head.set(field::accept_ranges, "bytes");
  answer.body = file_slice{std::move(file.handle), part.offset, part.size};
  return answer;
}

/// `<hash>/media/<rung>-<id>/<file>`: the id stands for the bytes, so they never change.
bool is_fragment(std::span<const std::string> segments) {
  return segments.size() == 4 && segments[1] == "media";
}

asio::awaitable<reply> media(exchange& request) {
  auto file = request.app.media.find(request.arguments);
  if (!file && file.error().code == errc::not_found && !request.where.trailing_slash && is_fragment(request.arguments))
    co_return co_await late_fragment(request);
  if (!file || request.where.trailing_slash)
    co_return problem_reply(file ? error{errc::not_found, "no such file"} : file.error());
  co_return file_reply(request.head, std::move(*file), request.arguments.back(),
                       is_fragment(request.arguments) ? immutable : revalidated);
}

reply page(const exchange& request, std::span<const std::string> segments) {
  if (!request.app.pages)
    return problem_reply(problem{status::not_found, "this server has no pages"});
  auto file = request.app.pages->find(segments);
  if (!file)
    return problem_reply(file.error());
  return file_reply(request.head, std::move(*file), segments.back(), revalidated);
}

asio::awaitable<reply> pages(exchange& request) {
  std::vector<std::string> segments{request.arguments.begin(), request.arguments.end()};
  if (request.where.trailing_slash || segments.empty())
    segments.emplace_back("index.html");
  co_return page(request, segments);
}

asio::awaitable<reply> docs(exchange& request) {
  const std::vector<std::string> segments{"docs.html"};
  co_return page(request, segments);
}

} // namespace

void add_files_api(router& routes) {
  routes.add(verb::get, "/media/uploads/{*path}", media);
  routes.add(verb::get, "/docs", docs);
  routes.add(verb::get, "/{*path}", pages);
}

} // namespace vp::http
