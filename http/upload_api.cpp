#include "http/upload_api.hpp"

#include "http/ask_session.hpp"
#include "http/form_field.hpp"
#include "http/video_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace vp::http {

namespace {

/// In memory at once, for each connection; with the window of a form this is well below the 256 KiB that a message may
/// have.
constexpr std::size_t block_size = 128 * 1024;

/// What a form may add to the chunk in it.
constexpr std::uint64_t form_overhead = 64 * 1024;

/// The right to write one chunk; given back when the request ends early, however it does.
class held_ticket {
public:
  held_ticket(upload_session_actor session, chunk_ticket ticket) : session_(std::move(session)), ticket_(ticket) {}
  ~held_ticket() {
    if (held_)
      tell(session_, abort_atom_v, ticket_.id);
  }
  held_ticket(const held_ticket&) = delete;
  held_ticket& operator=(const held_ticket&) = delete;

  const chunk_ticket& operator*() const { return ticket_; }
  const chunk_ticket* operator->() const { return &ticket_; }
  /// The session has it back.
  void release() { held_ = false; }

private:
  upload_session_actor session_;
  chunk_ticket ticket_;
  bool held_ = true;
};

answer<std::uint32_t> parse_index(std::string_view text) {
  std::uint32_t index = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (failure == std::errc::result_out_of_range)
    return refuse(status::bad_request, "the chunk index is out of range");
  if (failure != std::errc{} || end != text.data() + text.size())
    return refuse(status::unprocessable_entity, "chunk_index: must be a whole number from 0 on");
  return index;
}

/// Hands the content of `source` to the session, block by block: at most one is in memory, and the next one is read
/// when it is written.
template <class Source>
asio::awaitable<answer<void>> transfer(exchange& request, Source& source, const upload_session_actor& session,
                                       const chunk_ticket& ticket) {
  const auto most = request.limits().chunk;
  std::uint64_t total = 0;
  for (bool at_end = false; !at_end;) {
    bytes::buffer block(block_size);
    std::size_t filled = 0;
    while (filled < block.size() && !at_end) {
      const auto got = co_await source.read(asio::buffer(block.data() + filled, block.size() - filled));
      if (!got)
        co_return tl::unexpected(got.error());
      at_end = *got == 0;
      filled += *got;
    }
    total += filled;
    if (total > most)
      co_return refuse(status::payload_too_large, fmt::format("a chunk may have at most {} bytes", most));
    if (ticket.present || filled == 0)
      continue;
    if (total > ticket.max_size)
      co_return refuse(status::bad_request, fmt::format("the chunk has more than {} bytes", ticket.max_size));
    block.resize(filled);
    const auto written = co_await request.ask<void>(session, request.limits().disk_time, write_atom_v, ticket.id,
                                                    bytes{std::move(block)});
    if (!written)
      co_return tl::unexpected(to_problem(written.error()));
  }
  if (total == 0)
    co_return refuse(status::bad_request, "the chunk is empty");
  // Of a chunk that is not there yet, the session sees what it gets.
  if (ticket.present && total != ticket.max_size)
    co_return refuse(status::bad_request,
                     fmt::format("the chunk must have {} bytes and has {}", ticket.max_size, total));
  co_return answer<void>{};
}

asio::awaitable<reply> upload_chunk(exchange& request) {
  const std::string hash = request.arguments[0];
  if (!is_video_hash(hash))
    co_return problem_reply(problem{status::not_found, "no such video"});
  const auto index = parse_index(request.arguments[1]);
  if (!index)
    co_return problem_reply(index.error());

  const auto type = request.head[field::content_type];
  const auto boundary = multipart_boundary({type.data(), type.size()});
  if (!boundary && beast::iequals(type.substr(0, 10), "multipart/"))
    co_return problem_reply(
        problem{status::bad_request, "the form needs the type multipart/form-data with a boundary"});
  const auto length = request.body.length();
  if (length.value_or(0) > request.limits().chunk + (boundary ? form_overhead : 0))
    co_return problem_reply(
        problem{status::payload_too_large, fmt::format("a chunk may have at most {} bytes", request.limits().chunk)});
  if (length && *length == 0)
    co_return problem_reply(problem{status::bad_request, "the chunk is empty"});

  const auto begun = co_await ask_session<chunk_ticket>(request, hash, request.limits().disk_time, begin_atom_v, *index,
                                                        boundary ? std::uint64_t{0} : length.value_or(0));
  if (!begun)
    co_return problem_reply(begun.error());
  const auto& [session, granted] = *begun;
  held_ticket ticket{session, granted};

  answer<void> transferred;
  if (boundary) {
    form_field chunk{request.body, *boundary, "chunk", request.limits().chunk + form_overhead};
    transferred = co_await transfer(request, chunk, session, *ticket);
  } else {
    transferred = co_await transfer(request, request.body, session, *ticket);
  }
  if (!transferred)
    co_return problem_reply(transferred.error());

  const auto receipt = co_await request.ask<chunk_receipt>(session, request.limits().disk_time, end_atom_v, ticket->id);
  if (!receipt)
    co_return problem_reply(receipt.error());
  ticket.release();
  co_return json_reply(status::ok, {{"video_hash", receipt->video_hash},
                                    {"chunk_index", receipt->chunk_index},
                                    {"chunk_size", receipt->chunk_size},
                                    {"received_chunks", receipt->received_chunks},
                                    {"total_chunks", receipt->total_chunks},
                                    {"wanted_chunks", receipt->wanted_chunks}});
}

} // namespace

void add_upload_api(router& routes) {
  routes.add(verb::post, "/videos/upload_chunk/{video_hash}/{chunk_index}", upload_chunk);
}

} // namespace vp::http
