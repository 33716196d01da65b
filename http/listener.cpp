#include "http/listener.hpp"

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

namespace vp::http {

namespace {

constexpr int backlog = 4096;

} // namespace

result<listener> listener::open(const std::string& address, std::uint16_t port) {
  beast::error_code failure;
  const asio::ip::tcp::endpoint endpoint{asio::ip::make_address(address, failure), port};
  if (failure)
    return fail(errc::invalid_request, fmt::format("'{}' is not an IP address", address));
  listener opened;
  auto& acceptor = opened.socket_->acceptor;
  acceptor.open(endpoint.protocol(), failure);
  if (!failure)
    acceptor.set_option(asio::socket_base::reuse_address{true}, failure);
  if (!failure)
    acceptor.bind(endpoint, failure);
  if (!failure)
    acceptor.listen(backlog, failure);
  if (failure)
    return fail(errc::io_failed, fmt::format("cannot listen on {} port {}: {}", address, port, failure.message()));
  return opened;
}

asio::ip::tcp::acceptor listener::move_to(asio::io_context& loop) && {
  const auto protocol = socket_->acceptor.local_endpoint().protocol();
  return {loop, protocol, socket_->acceptor.release()};
}

} // namespace vp::http
