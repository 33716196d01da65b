#include "http/io_thread.hpp"

#include "http/service.hpp"
#include "http/validators.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

namespace vp::http {

namespace {

/// How late a time limit may be noticed.
constexpr auto tick_interval = std::chrono::milliseconds(200);

} // namespace

io_thread::io_thread(service& app) : app_(app), work_(asio::make_work_guard(context_)) {}

io_thread::~io_thread() {
  stop(std::chrono::milliseconds(0));
  join();
}

void io_thread::start() {
  tick();
  thread_ = std::thread{[this] { context_.run(); }};
}

void io_thread::stop(std::chrono::milliseconds grace) {
  asio::post(context_, [this, grace] {
    stopping_ = true;
    kill_at_ = std::min(kill_at_, clock::now() + grace);
    work_.reset();
    for (auto& client : connections_)
      client.stop();
    tick();
  });
}

void io_thread::join() {
  if (thread_.joinable())
    thread_.join();
}

void io_thread::adopt(asio::ip::tcp::socket socket, bool refused) {
  // Here and not by the connection: whoever accepts must know at once.
  ++app_.connections;
  asio::post(context_, [this, refused, socket = std::move(socket)]() mutable { serve(std::move(socket), refused); });
}

void io_thread::serve(asio::ip::tcp::socket socket, bool refused) {
  if (stopping_) {
    --app_.connections;
    return;
  }
  auto client = std::make_shared<connection>(*this, app_, std::move(socket), refused);
  connections_.push_back(*client);
  auto ended = [this, client](const std::exception_ptr& problem) {
    try {
      if (problem)
        std::rethrow_exception(problem);
    } catch (const boost::system::system_error& cause) {
      if (cause.code() != asio::error::operation_aborted)
        spdlog::error("a connection ended: {}", cause.what());
    } catch (const std::exception& cause) {
      spdlog::error("a connection ended: {}", cause.what());
    }
    // The coroutine that calls this still has its slot in the connection.
    asio::post(context_, [client] {});
  };
  asio::co_spawn(context_, client->run(), asio::bind_cancellation_slot(client->cancellation(), ended));
}

void io_thread::tick() {
  const auto now = clock::now();
  if (const auto instant = std::time(nullptr); instant != date_instant_) {
    date_instant_ = instant;
    date_ = format_date(instant);
  }
  for (auto& client : connections_) {
    if (now >= kill_at_)
      client.kill();
    else
      client.check(now);
  }
  if (stopping_ && connections_.empty()) {
    timer_.cancel();
    return;
  }
  timer_.expires_after(tick_interval);
  timer_.async_wait([this](beast::error_code failure) {
    if (!failure)
      tick();
  });
}

} // namespace vp::http
