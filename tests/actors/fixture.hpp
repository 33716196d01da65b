#pragma once

#include "actors/error.hpp"
#include "actors/node_interfaces.hpp"
#include "tests/support/temporary_folder.hpp"

#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <catch2/catch.hpp>

#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace vp::test {

struct deterministic_config : caf::actor_system_config {
  deterministic_config() {
    vp::add_message_types(*this);
    vp::add_node_message_types(*this);
    set("scheduler.policy", caf::atom("testing"));
    set("logger.inline-output", true);
  }
};

/// An actor system in which nothing runs, and no time passes, until the test says so. Spawn every actor without
/// `caf::detached`: a thread of its own would escape. Actors spawned through `spawn` end with the fixture.
struct actor_fixture {
  deterministic_config cfg;
  caf::actor_system sys{cfg};
  caf::scoped_actor self{sys, true};
  caf::scheduler::test_coordinator& sched = dynamic_cast<caf::scheduler::test_coordinator&>(sys.scheduler());

  actor_fixture() = default;
  actor_fixture(const actor_fixture&) = delete;
  actor_fixture& operator=(const actor_fixture&) = delete;

  ~actor_fixture() {
    for (auto& one : spawned_)
      caf::anon_send_exit(one, caf::exit_reason::kill);
    spawned_.clear();
    sched.run();
  }

  template <class F, class... Ts>
  auto spawn(F fun, Ts&&... xs) {
    auto handle = sys.spawn(std::move(fun), std::forward<Ts>(xs)...);
    spawned_.push_back(caf::actor_cast<caf::actor>(handle));
    return handle;
  }

  /// Everything that can happen now.
  void run() { sched.run(); }

  /// Lets time pass, a step at a time, so that timers that set timers come in order.
  void advance(caf::timespan by, caf::timespan step = std::chrono::milliseconds(100)) {
    run();
    while (by > caf::timespan::zero()) {
      auto now = std::min(by, step);
      sched.advance_time(now);
      run();
      by -= now;
    }
  }

  /// A request on its way; what a test does before it looks at the answer is up to it.
  template <class Response>
  class pending {
  public:
    pending(actor_fixture& fixture, Response response) : fixture_(fixture), response_(std::move(response)) {}

    /// Runs the system and takes the answer; several values as a tuple. A request that is not answered by now fails the
    /// test.
    template <class R, class... Rs>
    auto get() {
      constexpr auto is_one = sizeof...(Rs) == 0;
      fixture_.run();
      if (!fixture_.self->has_next_message())
        FAIL("no answer");
      result<std::conditional_t<is_one, R, std::tuple<R, Rs...>>> answer = fail(errc::internal, "unreachable");
      auto on_error = [&](caf::error& problem) { answer = tl::unexpected(from_caf(problem)); };
      if constexpr (std::is_void_v<R>)
        response_.receive([&] { answer = result<void>{}; }, on_error);
      else if constexpr (is_one)
        response_.receive([&](R& value) { answer = std::move(value); }, on_error);
      else
        response_.receive(
            [&](R& one, Rs&... more) {
              answer = std::tuple{std::move(one), std::move(more)...};
            },
            on_error);
      return answer;
    }

    /// Whether the answer is there. Only meaningful while one request is on its way.
    bool answered() {
      fixture_.run();
      return fixture_.self->has_next_message();
    }

  private:
    actor_fixture& fixture_;
    Response response_;
  };

  template <class Handle, class... Ts>
  auto request(const Handle& whom, Ts&&... xs) {
    using response = decltype(self->request(whom, caf::infinite, std::forward<Ts>(xs)...));
    return pending<response>{*this, self->request(whom, caf::infinite, std::forward<Ts>(xs)...)};
  }

  /// Asks, runs everything, and unpacks the answer.
  template <class R, class Handle, class... Ts>
  result<R> ask(const Handle& whom, Ts&&... xs) {
    return request(whom, std::forward<Ts>(xs)...).template get<R>();
  }

  template <class Handle, class... Ts>
  void tell(const Handle& whom, Ts&&... xs) {
    self->send(whom, std::forward<Ts>(xs)...);
    run();
  }

private:
  std::vector<caf::actor> spawned_;
};

} // namespace vp::test
