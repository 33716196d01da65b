#pragma once

#include "actors/dispatcher.hpp"
#include "actors/node_gate.hpp"
#include "actors/source_reader.hpp"
#include "actors/worker.hpp"
#include "tests/actors/fixture.hpp"
#include "tests/actors/scripted.hpp"

#include <caf/io/all.hpp>
#include <caf/io/network/test_multiplexer.hpp>

#include <memory>
#include <vector>

namespace vp::test {

/// A simulated host: its actors, its clock and its end of the network do nothing until the test says so.
struct sim_node {
  struct config : deterministic_config {
    config() {
      load<caf::io::middleman>();
      set("middleman.network-backend", caf::atom("testing"));
      set("middleman.manual-multiplexing", true);
      set("middleman.workers", std::size_t{0});
      set("middleman.heartbeat-interval", caf::timespan{0});
    }
  };

  config cfg;
  caf::actor_system sys{cfg};
  caf::scoped_actor self{sys, true};
  caf::scheduler::test_coordinator& sched = dynamic_cast<caf::scheduler::test_coordinator&>(sys.scheduler());
  caf::io::network::test_multiplexer& mpx =
      dynamic_cast<caf::io::network::test_multiplexer&>(sys.middleman().backend());

  /// One thing that can happen now: a message handled, or bytes that arrive.
  bool step() {
    return sched.try_run_once() || mpx.try_exec_runnable() || mpx.read_data() || mpx.try_accept_connection();
  }
};

/// A server with a gate, and workers that join it over a simulated network.
class sim_cluster {
public:
  struct worker_node {
    sim_node node;
    std::shared_ptr<encoder_script> script = std::make_shared<encoder_script>();
    worker_impl worker;
    encoder_actor encoder;
    node_gate_actor gate;                   ///< as it is seen from there
    caf::io::connection_handle here, there; ///< the link's ends at the server and at the worker
    result<void> joined = fail(errc::internal, "has not joined");
  };

  dispatcher_config dispatching;
  node_gate_config gating;
  sim_node server;
  dispatcher_actor dispatcher;
  node_gate_actor gate;
  std::vector<std::unique_ptr<worker_node>> workers;

  sim_cluster() = default;
  sim_cluster(const sim_cluster&) = delete;
  sim_cluster& operator=(const sim_cluster&) = delete;

  ~sim_cluster() {
    for (auto& one : workers) {
      caf::anon_send_exit(one->worker, caf::exit_reason::kill);
      one->encoder = nullptr;
      one->gate = nullptr;
    }
    for (auto& one : spawned_)
      caf::anon_send_exit(one, caf::exit_reason::kill);
    run();
  }

  void start() {
    run();
    dispatcher = keep(server.sys.spawn(vp::dispatcher, dispatching));
    gating.dispatcher = gating.slot.dispatcher = dispatcher;
    gating.slot.reader = keep(server.sys.spawn(source_reader));
    gate = keep(server.sys.spawn(node_gate, gating));
    run();
  }

  /// Connects a worker and has it ask at the gate, with the pass for its name if it brings none; nothing of it has
  /// happened when this returns but the connection.
  worker_node& connect(node_hello hello) {
    if (hello.pass.empty())
      hello.pass = gating.passes->pass_for(hello.where.node);
    auto& made = *workers.emplace_back(std::make_unique<worker_node>());
    run();
    made.here = caf::io::connection_handle::from_int(++last_handle_);
    made.there = caf::io::connection_handle::from_int(++last_handle_);
    server.mpx.prepare_connection(acceptor_, made.here, made.node.mpx, "server", port_, made.there);
    if (!std::exchange(published_, true)) {
      server.sched.inline_next_enqueue();
      REQUIRE(server.sys.middleman().publish(gate, port_));
    }
    made.node.sched.inline_next_enqueue();
    made.node.sched.after_next_enqueue([this] { run(); });
    auto found = made.node.sys.middleman().remote_actor<node_gate_actor>("server", port_);
    REQUIRE(found);
    worker_config config;
    made.gate = *found;
    config.make_encoder = [&made](caf::actor_system& sys, const encoder_config&) {
      return made.encoder = sys.spawn(scripted_encoder, made.script);
    };
    made.worker = made.node.sys.spawn(worker, config);
    made.node.sys.spawn([&made, text = to_text(hello)](caf::event_based_actor* self) {
      self->request(made.worker, caf::infinite, join_atom_v, made.gate, text)
          .then([&made] { made.joined = {}; },
                [&made](const caf::error& problem) { made.joined = tl::unexpected(from_caf(problem)); });
    });
    return made;
  }

  /// The same, and lets it join.
  worker_node& add_worker(const node_hello& hello) {
    auto& made = connect(hello);
    run();
    return made;
  }

  /// The link breaks, at both ends.
  void cut(worker_node& which) {
    using caf::io::network::operation;
    if (auto end = server.mpx.impl_ptr(which.here))
      end->io_failure(&server.mpx, operation::read);
    if (auto end = which.node.mpx.impl_ptr(which.there))
      end->io_failure(&which.node.mpx, operation::read);
  }

  bool step() {
    if (server.step())
      return true;
    return std::any_of(workers.begin(), workers.end(), [](auto& one) { return one->node.step(); });
  }

  void run() {
    while (step()) {
    }
  }

  /// Lets time pass everywhere, in small steps.
  void advance(caf::timespan by, caf::timespan slice = std::chrono::milliseconds(250)) {
    run();
    for (; by > caf::timespan::zero(); by -= slice) {
      let_pass(slice);
      run();
    }
  }

  /// The same, but what that leads to does not happen yet.
  void let_pass(caf::timespan time) {
    server.sched.advance_time(time);
    for (auto& one : workers)
      one->node.sched.advance_time(time);
  }

  template <class Handle>
  Handle keep(Handle made) {
    spawned_.push_back(caf::actor_cast<caf::actor>(made));
    return made;
  }

private:
  static constexpr std::uint16_t port_ = 4242;
  caf::io::accept_handle acceptor_ = caf::io::accept_handle::from_int(1);
  std::int64_t last_handle_ = 1;
  bool published_ = false;
  std::vector<caf::actor> spawned_;
};

} // namespace vp::test
