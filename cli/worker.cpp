#include "actors/worker.hpp"

#include "actors/error.hpp"
#include "actors/node_hello.hpp"
#include "actors/node_link.hpp"
#include "cli/commands.hpp"
#include "cli/logging.hpp"
#include "cli/place.hpp"
#include "cli/serve_workers.hpp"
#include "cli/versions.hpp"
#include "nodes/certificates.hpp"
#include "nodes/door.hpp"
#include "nodes/random_name.hpp"
#include "nodes/sandbox.hpp"
#include "nodes/supervisor.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <iostream>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <pthread.h>
#include <sstream>
#include <thread>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

namespace vp::cli {

namespace {

using namespace std::chrono_literals;

struct worker_options {
  std::string join;
  std::string name;
  std::string certs = "certs";
  std::uint32_t slots = 0;
  std::uint32_t on_demand = 0; ///< slots besides these
  std::uint64_t memory = std::uint64_t{3} << 30U;
  std::uint64_t cache = std::uint64_t{32} << 20U;
  std::string log_level = "info";
  std::string log_format = "text";
  bool local = false;
};

/// Where the server is and how to get in.
struct entrance {
  std::string host;
  std::uint16_t port = 0;
  std::string identifier;
  std::string pass;
  std::optional<nodes::identity> identity; ///< on another machine
};

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "worker";
}

/// The server that started this process says it through the standard input.
result<entrance> local_entrance() {
  std::string line;
  std::getline(std::cin, line);
  std::istringstream words{line};
  entrance where{"127.0.0.1", 0, {}, {}, {}};
  std::string port_text;
  if (!(words >> port_text >> where.identifier >> where.pass))
    return fail(errc::invalid_request, "only a server starts local workers");
  auto port = parse_port(port_text);
  if (!port)
    return tl::unexpected(port.error());
  where.port = *port;
  return where;
}

result<entrance> remote_entrance(const worker_options& options) {
  auto place = parse_place(options.join);
  if (!place)
    return fail(errc::invalid_request, "--join HOST:PORT says which server this worker is for: " + place.error().text);
  auto identity = nodes::identity_in(options.certs, options.name);
  auto name = nodes::check(identity, nodes::role::worker);
  if (!name)
    return tl::unexpected(name.error());
  if (*name != options.name)
    return fail(errc::invalid_request, fmt::format("{}: the certificate is that of '{}', and this node is '{}'",
                                                   identity.certificate.string(), *name, options.name));
  auto identifier = nodes::fingerprint(identity.authority);
  if (!identifier)
    return tl::unexpected(identifier.error());
  return entrance{place->first, place->second, *identifier, {}, std::move(identity)};
}

/// Has pictures given back to the system when they are free. Left alone, glibc learns from the first ones to keep such
/// blocks, which takes a tenth more memory and saves no time.
void give_back_large_blocks() {
#ifdef __GLIBC__
  constexpr int large = 1 << 20;
  mallopt(M_MMAP_THRESHOLD, large);
#endif
}

/// Sent to this thread when it is to look why.
constexpr int wake_up = SIGUSR1;

/// One slot, in a process of its own.
class worker_process {
public:
  worker_process(const worker_options& options, entrance where, std::string node_run)
      : options_(options), where_(std::move(where)), node_run_(std::move(node_run)) {}

  /// Ends the process, or returns what it exits with.
  int run(const nodes::child_place& place) {
    sigset_t signals;
    sigemptyset(&signals);
    for (auto signal : {SIGTERM, SIGINT, wake_up})
      sigaddset(&signals, signal);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    if (where_.identity)
      if (auto found = knock(); !found)
        return refuse(found.error());
    auto versions = program_versions();
    if (!versions)
      return refuse(versions.error());

    give_back_large_blocks();
    node_config config{{where_.identifier}, where_.identity};
    caf::actor_system system{config};
    auto gate = connect(system, where_.host, where_.port, where_.identity ? transport::tls : transport::plain, 10s);
    if (!gate)
      return refuse(gate.error());
    // Behind this line no file can be opened, and no connection made.
    if (auto locked = nodes::enter_sandbox({.memory = options_.memory}); !locked)
      return refuse(locked.error());
    worker_config working;
    working.cache = options_.cache;
    working.limit_cpu = nodes::limit_cpu;
    if (is_on_demand(place)) { // Somebody waits for what it does.
      working.niceness = 0;
      working.decodes_ahead = true;
    }
    worker_actor worker = system.spawn(vp::worker, working);
    const auto joined = join(system, *gate, worker, to_text(hello(place, *versions)));
    if (joined)
      serve(system, worker, signals);
    const auto status = joined ? EXIT_SUCCESS : refuse(joined.error());
    // Not by way of the actor system's end, which would wait for a codec that hangs.
    spdlog::shutdown();
    ::_exit(status);
  }

private:
  /// The door tells where to go on. That it may be knocked at all was seen when the node began, maybe long ago.
  result<void> knock() {
    if (auto good = nodes::check(*where_.identity, nodes::role::worker); !good)
      return tl::unexpected(good.error());
    auto greeting = nodes::knock(where_.host, where_.port, *where_.identity, std::chrono::steady_clock::now() + 10s);
    if (!greeting)
      return tl::unexpected(greeting.error());
    const auto told = nlohmann::json::parse(*greeting, nullptr, false);
    try {
      told.at("port").get_to(where_.port);
      told.at("pass").get_to(where_.pass);
      return {};
    } catch (const nlohmann::json::exception&) {
      return fail(errc::conflict, "the server is of another version: it says " + *greeting);
    }
  }

  bool is_on_demand(const nodes::child_place& place) const { return place.slot >= options_.slots; }

  node_hello hello(const nodes::child_place& place, const std::map<std::string, std::string>& versions) const {
    node_hello made;
    made.where = {options_.name, place.slot + 1, node_run_, is_on_demand(place)};
    made.run = place.run;
    made.pass = where_.pass;
    made.versions = versions;
    if (place.before)
      made.before = {place.before->run, place.before->words(), place.before->counts()};
    return made;
  }

  static result<void> join(caf::actor_system& system, const node_gate_actor& gate, const worker_actor& worker,
                           const std::string& hello) {
    caf::scoped_actor self{system};
    result<void> joined;
    self->request(caf::actor_cast<worker_impl>(worker), 15s, join_atom_v, gate, hello)
        .receive([] {}, [&](const caf::error& problem) { joined = tl::unexpected(from_caf(problem)); });
    return joined;
  }

  /// Until the worker ends, which it does at a SIGTERM when it has finished what it has.
  static void serve(caf::actor_system& system, const worker_actor& worker, const sigset_t& signals) {
    // Lives as long as somebody has its handle.
    const caf::actor watcher =
        system.spawn([worker, waiting = pthread_self()](caf::event_based_actor* self) -> caf::behavior {
          self->monitor(worker);
          self->set_down_handler([self, waiting](const caf::down_msg&) {
            pthread_kill(waiting, wake_up);
            self->quit();
          });
          return {[](tick_atom) {}};
        });
    for (int signal = 0; signal != wake_up;) {
      sigwait(&signals, &signal);
      if (signal == SIGTERM)
        caf::anon_send(caf::actor_cast<worker_impl>(worker), drain_atom_v);
    }
  }

  /// Tries that make no sense are not made again.
  int refuse(const error& why) const {
    const auto final = why.code == errc::conflict || why.code == errc::invalid_request;
    spdlog::log(final ? spdlog::level::err : spdlog::level::warn, "{}", why.text);
    return final ? nodes::refused_status : nodes::unlinked_status;
  }

  const worker_options& options_;
  entrance where_;
  std::string node_run_;
};

int work(worker_options options) {
#ifdef __linux__
  ::prctl(PR_SET_NAME, "vidpipeline"); // or it is called by the link that it was started by
#endif
  start_logging(options.log_level, options.log_format);
  if (options.local)
    options.name = nodes::local_node;
  else if (options.name.empty())
    options.name = host_name();
  if (options.slots == 0)
    options.slots = std::max(1U, std::thread::hardware_concurrency());
  if (auto enough = check_worker_memory(options.memory, options.cache); !enough)
    return report(enough);
  auto where = options.local ? local_entrance() : remote_entrance(options);
  if (!where)
    return report(tl::unexpected(where.error()));
  std::signal(SIGPIPE, SIG_IGN); // for the children: a link that is gone is an error of the write
  const auto node_run = nodes::random_name();
  nodes::supervisor_config config;
  config.slots = options.slots + options.on_demand;
  // What a child died of is soon told, while the server waits to hear it.
  config.longest_wait = 1s;
  if (options.local)
    config.control_fd = STDIN_FILENO;
  else
    config.end_limit = 60s;
  return nodes::supervise(config, [&](const nodes::child_place& place) {
    return worker_process{options, *where, node_run}.run(place);
  });
}

} // namespace

void add_worker(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<worker_options>();
  auto* command = app.add_subcommand("worker", "Encode for a server on another machine");
  option(*command, "join", options->join, "HOST:PORT of the server, as it was given to `serve --nodes`");
  option(*command, "name", options->name, "Name of this node and of its certificate, if not the host's");
  option(*command, "certs", options->certs, "Folder with NAME.pem, NAME.key and ca.pem");
  option(*command, "slots", options->slots,
         "Segments encoded at the same time, each in a process of its own; 0 for one a core")
      ->check(CLI::Range(0, 256));
  option(*command, "worker-memory", options->memory, "Memory that each of them may take, bytes, with MB, GB, ...")
      ->transform(CLI::AsSizeValue(false));
  option(*command, "worker-cache", options->cache, "Of it for what is read of the sources")
      ->transform(CLI::AsSizeValue(false));
  option(*command, "log-level", options->log_level, "trace, debug, info, warn, err, critical or off")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "err", "critical", "off"}));
  option(*command, "log-format", options->log_format, "text, or json for an object a line")
      ->check(CLI::IsMember({"text", "json"}));
  // How a server starts its own.
  command->add_flag("--local", options->local)->group("");
  command->add_option("--on-demand", options->on_demand)->group("");
  command->callback([options, &exit_code] { exit_code = work(*options); });
}

} // namespace vp::cli
