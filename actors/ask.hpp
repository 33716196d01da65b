#pragma once

#include "actors/error.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <caf/all.hpp>

#include <memory>
#include <mutex>
#include <tuple>
#include <type_traits>
#include <utility>

namespace vp {

namespace detail {

/// Where an answer and a cancellation meet, each on its own thread: the first one resumes the coroutine, the other is
/// dropped.
template <class R, class Handler>
class pending_answer {
public:
  explicit pending_answer(Handler handler) : handler_(std::make_unique<Handler>(std::move(handler))) {}

  void complete(result<R> answer) {
    std::unique_ptr<Handler> handler;
    {
      const std::lock_guard lock{mutex_};
      handler.swap(handler_);
    }
    if (!handler)
      return;
    auto executor = boost::asio::get_associated_executor(*handler);
    boost::asio::post(executor, [resume = std::move(*handler), answer = std::move(answer)]() mutable {
      std::move(resume)(std::move(answer));
    });
  }

private:
  std::mutex mutex_;
  std::unique_ptr<Handler> handler_;
};

} // namespace detail

/// The bridge from Asio to the actors: asks `whom` and resumes the calling coroutine on its own executor with the
/// answer or the error. Nothing blocks. `timeout` is the deadline of the whole request. A coroutine that is cancelled
/// meanwhile resumes at once with `cancelled`; the answer, should it come, is dropped.
template <class R, class Handle, class... Ts>
boost::asio::awaitable<result<R>> ask(caf::actor_system& system, Handle whom, caf::timespan timeout, Ts... args) {
  auto initiate = [&system, whom, timeout](auto handler, std::tuple<Ts...> bound) {
    using pending_type = detail::pending_answer<R, decltype(handler)>;
    auto slot = boost::asio::get_associated_cancellation_slot(handler);
    auto pending = std::make_shared<pending_type>(std::move(handler));
    auto asker = system.spawn([whom, timeout, pending, bound = std::move(bound)](caf::event_based_actor* self) mutable {
      auto refuse = [pending](const caf::error& problem) { pending->complete(tl::unexpected(from_caf(problem))); };
      std::apply(
          [&](auto&... xs) {
            auto response = self->request(whom, timeout, std::move(xs)...);
            if constexpr (std::is_void_v<R>)
              response.then([pending] { pending->complete(result<void>{}); }, refuse);
            else
              response.then([pending](R& answer) { pending->complete(std::move(answer)); }, refuse);
          },
          bound);
    });
    if (slot.is_connected())
      slot.assign([weak = std::weak_ptr{pending}, asker = asker.address()](boost::asio::cancellation_type) {
        if (auto strong = weak.lock())
          strong->complete(fail(errc::cancelled, "the request was given up"));
        // Otherwise it would stay for the whole time-out, and the end of the actor system would wait for it.
        caf::anon_send_exit(asker, caf::exit_reason::user_shutdown);
      });
  };
  co_return co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void(result<R>)>(
      initiate, boost::asio::use_awaitable, std::tuple<Ts...>{std::move(args)...});
}

/// Tells `whom` something that has no answer.
template <class Handle, class... Ts>
void tell(const Handle& whom, Ts&&... args) {
  caf::anon_send(whom, std::forward<Ts>(args)...);
}

} // namespace vp
