#include "cli/serve_workers.hpp"

#include "cli/commands.hpp"
#include "cli/place.hpp"
#include "nodes/certificates.hpp"
#include "nodes/random_name.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#ifndef __linux__
extern char** environ; // no header declares it there
#endif

namespace vp::cli {

void add_worker_options(CLI::App& command, serve_worker_options& options) {
  options.workers = std::max(1U, std::thread::hardware_concurrency());
  option(command, "workers", options.workers,
         "Segments encoded at the same time on this machine, each in a process of its own; 0 for none")
      ->check(CLI::Range(0, 256));
  option(command, "worker-memory", options.memory, "Memory that each of them may take, bytes, with MB, GB, ...")
      ->transform(CLI::AsSizeValue(false));
  option(command, "worker-cache", options.cache, "Of it for what is read of the sources")
      ->transform(CLI::AsSizeValue(false));
  option(command, "nodes", options.nodes,
         "ADDRESS:PORT where workers on other machines join, such as 0.0.0.0:8100; the port after it is used as well");
  option(command, "certs", options.certs, "Folder of the certificates, made by `certs init`");
  option(command, "name", options.name, "Name of this server's certificate");
}

namespace {

/// Encoders for what viewers can't wait for: somebody else may seek while one of them is busy.
constexpr int on_demand_slots = 2;

/// What a worker of this machine is given of this process's environment. No more: a video that takes it over would read
/// that, and passwords stand there. No configuration file either.
std::vector<std::string> worker_environment() {
  std::vector<std::string> given{"VIDPIPELINE_CONFIG=/dev/null"};
  for (auto** each = environ; *each; ++each) {
    const std::string_view one{*each};
    const auto name = one.substr(0, one.find('='));
    const auto is_good = name == "LANG" || name == "TZ" || name == "LD_LIBRARY_PATH" || name.ends_with("SAN_OPTIONS")
                         || name.starts_with("VIDPIPELINE_TEST_");
    if (is_good)
      given.emplace_back(one);
  }
  return given;
}

} // namespace

result<void> check_worker_memory(std::uint64_t memory, std::uint64_t cache) {
  constexpr std::uint64_t smallest_cache = std::uint64_t{4} << 20U; // what is on its way at once must have room
  if (cache < smallest_cache || cache > memory / 2)
    return fail(errc::invalid_request, "--worker-cache is at least 4 MB, and at most half of --worker-memory");
  return {};
}

result<node_entrance> node_entrance::prepare(serve_worker_options options) {
  if (auto enough = check_worker_memory(options.memory, options.cache); !enough)
    return tl::unexpected(enough.error());
  node_entrance made;
  made.identifier_ = nodes::random_name();
  made.options_ = std::move(options);
  const auto& wanted = made.options_;
  if (wanted.nodes.empty())
    return made;
  auto place = parse_place(wanted.nodes);
  if (!place)
    return tl::unexpected(place.error());
  std::tie(made.host_, made.port_) = *place;
  made.identity_ = nodes::identity_in(wanted.certs, wanted.name);
  if (auto checked = nodes::check(*made.identity_, nodes::role::server); !checked)
    return fail(checked.error().code, "--nodes wants certificates: " + checked.error().text);
  auto authority = nodes::fingerprint(made.identity_->authority);
  if (!authority)
    return tl::unexpected(authority.error());
  made.authority_ = *authority;
  return made;
}

std::unique_ptr<caf::actor_system_config> node_entrance::actor_config() const {
  std::vector<std::string> identifiers{identifier_};
  if (identity_)
    identifiers.push_back(authority_);
  return std::make_unique<node_config>(std::move(identifiers), identity_);
}

result<void> node_entrance::open(caf::actor_system& system, const node_gate_actor& gate, const std::string& log_level,
                                 const std::string& log_format) {
  if (identity_) {
    const auto link = publish(system, gate, host_, static_cast<std::uint16_t>(port_ + 1), transport::tls);
    if (!link)
      return tl::unexpected(link.error());
    auto log = [](const std::string& peer, const result<std::string>& name) {
      if (name)
        spdlog::info("nodes: {} at {} has shown its certificate", *name, peer);
      else
        spdlog::warn("nodes: {} is refused: {}", peer, name.error().text);
    };
    auto greet = [port = *link, passes = passes_](const std::string& name) {
      return nlohmann::json{{"version", 1}, {"port", port}, {"pass", passes->pass_for(name)}}.dump();
    };
    auto opened = nodes::door::open(host_, port_, *identity_, greet, log);
    if (!opened)
      return tl::unexpected(opened.error());
    door_ = std::move(*opened);
    spdlog::info("nodes: workers join at {}:{}", host_, port_);
  }
  if (options_.workers == 0)
    return {};
  const auto port = publish(system, gate, "127.0.0.1", 0, transport::plain);
  if (!port)
    return tl::unexpected(port.error());
  nodes::local_workers::config config;
  config.environment = worker_environment();
  config.arguments = {"worker",
                      "--local",
                      fmt::format("--slots={}", options_.workers),
                      fmt::format("--on-demand={}", on_demand_slots),
                      fmt::format("--worker-memory={}", options_.memory),
                      fmt::format("--worker-cache={}", options_.cache),
                      "--log-level=" + log_level,
                      "--log-format=" + log_format};
  config.secret = fmt::format("{} {} {}\n", *port, identifier_, passes_->pass_for(nodes::local_node));
  workers_ = std::make_unique<nodes::local_workers>(std::move(config));
  return {};
}

void node_entrance::close() {
  workers_.reset();
  door_.reset();
}

} // namespace vp::cli
