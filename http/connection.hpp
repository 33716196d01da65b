#pragma once

#include "http/common.hpp"
#include "http/reply.hpp"

#include <boost/asio/cancellation_signal.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/intrusive/list.hpp>

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace vp::http {

class io_thread;
struct service;

using request_parser = beast::http::request_parser<beast::http::buffer_body>;

/// One client: serves its requests one after the other. Lives on one thread, so nothing here is locked.
///
/// An idle connection holds no more than a buffer of 1 KiB. Time limits are one number, the deadline of whatever the
/// connection is waiting for, which its thread looks at a few times a second: cheaper than a timer each.
class connection : public std::enable_shared_from_this<connection>,
                   public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
public:
  /// `refused`: one too many, so its first request is answered 503.
  connection(io_thread& owner, service& app, asio::ip::tcp::socket socket, bool refused);
  ~connection();

  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  /// Serves until the client or the server has had enough.
  asio::awaitable<void> run();

  // -- for the thread it lives on -------------------------------------------------------------------------------------

  /// Gives up what the connection waits for when its time is over.
  void check(clock::time_point now);
  /// Ends it now if it waits for a request or streams, else after the response that is under way.
  void stop();
  /// Ends it now.
  void kill();
  /// So that `stop` and `kill` reach the coroutine.
  asio::cancellation_slot cancellation() { return cancel_.slot(); }

  // -- for handlers and bodies ----------------------------------------------------------------------------------------

  using io_result = std::pair<beast::error_code, std::size_t>;

  /// Reads what is there, waiting at most `limit` for the first byte. Running out of time is `beast::error::timeout`.
  asio::awaitable<io_result> read_some(asio::mutable_buffer out, clock::duration limit);
  /// Lets Beast read a part of the body into the buffer that `parser` was given: for chunked bodies.
  asio::awaitable<beast::error_code> read_some(request_parser& parser, clock::duration limit);
  /// Writes all of `data`. Fails when the peer is slower than `limits` allows.
  asio::awaitable<beast::error_code> write(std::string_view data, bool more_follows = false);
  /// Completes when the peer has gone. What it sends meanwhile is kept, as far as a request's header goes.
  asio::awaitable<void> wait_until_gone();
  /// The peer's address, without its port.
  std::string address() const;
  /// Whether the peer is on this machine.
  bool is_from_here() const;

  /// Bytes that were read beyond the header that is being served.
  beast::flat_buffer& buffer() { return buffer_; }
  service& app() { return app_; }

private:
  asio::awaitable<bool> serve_one();
  asio::awaitable<std::optional<problem>> read_header(request_parser& parser);
  asio::awaitable<beast::error_code> send(reply& answer, bool keep, bool body_wanted, unsigned version);
  asio::awaitable<beast::error_code> send_file(const file_slice& slice);
  asio::awaitable<beast::error_code> send_late(const late_file& file);
  asio::awaitable<void> linger();
  std::string compose_head(const reply& answer, bool keep, unsigned version) const;

  void arm(clock::duration limit);
  /// Ends the time limit; `timeout` if it was the limit that ended the operation.
  beast::error_code disarm(beast::error_code outcome);

  io_thread& owner_;
  service& app_;
  asio::ip::tcp::socket socket_;
  asio::cancellation_signal cancel_;
  beast::flat_buffer buffer_;
  clock::time_point deadline_ = clock::time_point::max();
  bool expired_ = false;
  bool refused_ = false;
  bool idle_ = false; ///< waits for a request, or streams: `stop` need not wait for it
};

} // namespace vp::http
