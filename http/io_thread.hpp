#pragma once

#include "http/connection.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <optional>
#include <string>
#include <thread>

namespace vp::http {

/// A thread with an event loop and the connections that live on it.
class io_thread {
public:
  explicit io_thread(service& app);
  ~io_thread();

  void start();
  /// Ends idle connections now, busy ones after their response or after `grace`; the thread ends after the last.
  void stop(std::chrono::milliseconds grace);
  void join();

  asio::io_context& context() { return context_; }
  /// Takes over a socket that was accepted on `context()`. From any thread.
  void adopt(asio::ip::tcp::socket socket, bool refused);

  // -- on the thread itself -------------------------------------------------------------------------------------------

  bool stopping() const { return stopping_; }
  /// The `Date` of this second.
  const std::string& date() const { return date_; }

private:
  void serve(asio::ip::tcp::socket socket, bool refused);
  void tick();

  service& app_;
  asio::io_context context_{1};
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
  asio::steady_timer timer_{context_};
  boost::intrusive::list<connection, boost::intrusive::constant_time_size<false>> connections_;
  std::string date_;
  std::time_t date_instant_ = 0;
  clock::time_point kill_at_ = clock::time_point::max();
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace vp::http
