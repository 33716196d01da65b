#pragma once

#include "actors/error.hpp"
#include "actors/interfaces.hpp"

#include <caf/all.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace vp {

struct retry_policy {
  /// Of transient errors: no answer in time, too busy, a disk or database that failed. A full disk is waited for
  /// without end.
  std::uint32_t tries = 5;
  /// Between tries; doubled each time.
  caf::timespan shortest_wait = std::chrono::milliseconds(500);
  caf::timespan longest_wait = std::chrono::seconds(30);
};

/// Requests that are made again, for an actor whose interface has `reacts_to<retry_atom, std::uint64_t>` and gives
/// those messages to `wake`. Lives in that actor's state.
template <class Self>
class retrier {
public:
  retrier(Self self, retry_policy policy) : self_(self), policy_(policy) {}

  /// Asks `whom` until the answer is a value or an error that another try won't change; `then` takes a `result<R>`.
  template <class R, class Handle, class Then, class... Ts>
  void ask(Handle whom, caf::timespan limit, Then then, Ts... xs) {
    auto arguments = std::make_shared<const std::tuple<Ts...>>(std::move(xs)...);
    auto request = [this, whom = std::move(whom), limit, arguments](auto on_value, auto on_error) {
      std::apply([&](const Ts&... ys) { self_->request(whom, limit, ys...).then(on_value, on_error); }, *arguments);
    };
    attempt<R>(std::move(request), std::move(then), state{policy_.tries, policy_.shortest_wait, false});
  }

  /// Runs `what` after a while.
  void after(caf::timespan wait, std::function<void()> what) {
    auto id = ++last_id_;
    sleeping_.emplace(id, std::move(what));
    self_->delayed_send(self_, wait, retry_atom_v, id);
  }

  void wake(std::uint64_t id) {
    if (auto node = sleeping_.extract(id))
      node.mapped()();
  }

  /// Requests that wait for space on the disk.
  std::uint32_t waiting_for_disk() const { return waiting_for_disk_; }

private:
  struct state {
    std::uint32_t tries_left;
    caf::timespan wait;
    bool disk_full;
  };

  static bool is_transient(errc code) {
    return code == errc::timed_out || code == errc::overloaded || code == errc::io_failed;
  }

  template <class R, class Request, class Then>
  void attempt(Request request, Then then, state now) {
    auto done = [this, then, was_full = now.disk_full](result<R> answer) mutable {
      waiting_for_disk_ -= was_full ? 1 : 0;
      then(std::move(answer));
    };
    auto on_error = [this, request, then, now, done](caf::error& problem) mutable {
      auto why = from_caf(problem);
      if (why.code == errc::disk_full) {
        waiting_for_disk_ += now.disk_full ? 0 : 1;
        now.disk_full = true;
      } else if (!is_transient(why.code) || --now.tries_left == 0) {
        done(tl::unexpected(std::move(why)));
        return;
      }
      auto wait = std::exchange(now.wait, std::min(2 * now.wait, policy_.longest_wait));
      after(wait, [this, request, then, now] { attempt<R>(request, then, now); });
    };
    if constexpr (std::is_void_v<R>)
      request([done]() mutable { done({}); }, on_error);
    else
      request([done](R& value) mutable { done(std::move(value)); }, on_error);
  }

  Self self_;
  retry_policy policy_;
  std::map<std::uint64_t, std::function<void()>> sleeping_;
  std::uint64_t last_id_ = 0;
  std::uint32_t waiting_for_disk_ = 0;
};

} // namespace vp
