#pragma once

#include "http/common.hpp"

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace vp::http {

/// A port that is taken: whoever connects waits until a server answers.
class listener {
public:
  /// `address` is IPv4 or IPv6; port 0 is any that is free. `invalid_request` for an address that is none, `io_failed`
  /// when the port can't be had.
  static result<listener> open(const std::string& address, std::uint16_t port);

  std::uint16_t port() const { return socket_->acceptor.local_endpoint().port(); }
  /// The same socket on the event loop that it is to live on.
  asio::ip::tcp::acceptor move_to(asio::io_context& loop) &&;

private:
  /// In one place, since an acceptor needs its event loop even after it was moved from.
  struct waiting_socket {
    asio::io_context loop{1}; // never runs
    asio::ip::tcp::acceptor acceptor{loop};
  };

  listener() = default;

  std::unique_ptr<waiting_socket> socket_ = std::make_unique<waiting_socket>();
};

} // namespace vp::http
