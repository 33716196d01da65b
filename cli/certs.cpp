// The certificates with which workers join a server: the authority is made once, and each machine gets its own.

#include "cli/commands.hpp"
#include "nodes/certificates.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>

namespace vp::cli {

namespace {

/// The name of the server's certificate.
constexpr auto server_name = "server";

struct certs_options {
  std::string folder = "certs";
  std::string name;
  std::uint32_t days = 825;
  bool force = false;
};

/// Issues a certificate; the day on which it expires.
result<std::string> issue(const certs_options& options, const std::string& name) {
  const auto when = nodes::valid_for(std::chrono::days{options.days});
  auto issued = nodes::issue(options.folder, name, name == server_name ? nodes::role::server : nodes::role::worker,
                             when, options.force ? nodes::existing::replace : nodes::existing::keep);
  if (!issued) {
    auto problem = std::move(issued.error());
    if (problem.code == errc::not_found)
      problem.text += "; `vidpipeline certs init` makes one";
    if (problem.code == errc::conflict)
      problem.text += "; --force replaces it";
    return tl::unexpected(std::move(problem));
  }
  return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::chrono::system_clock::to_time_t(when.until)));
}

result<void> init(const certs_options& options) {
  if (auto made = nodes::make_authority(options.folder); !made)
    return made;
  const auto authority = nodes::identity_in(options.folder, "ca");
  auto print = nodes::fingerprint(authority.authority);
  if (!print)
    return tl::unexpected(print.error());
  fmt::print("Made an authority; whoever has {} can issue certificates, so keep it to this machine:\n  {}\n"
             "Its SHA-256 fingerprint: {}\n",
             authority.key.string(), authority.certificate.string(), *print);
  const auto until = issue(options, server_name);
  if (!until)
    return tl::unexpected(until.error());
  const auto server = nodes::identity_in(options.folder, server_name);
  fmt::print("Made the server's certificate, valid until {}:\n  {}\n  {}\n"
             "Next, for each worker: vidpipeline certs issue NAME\n",
             *until, server.certificate.string(), server.key.string());
  return {};
}

result<void> issue_one(const certs_options& options) {
  const auto until = issue(options, options.name);
  if (!until)
    return tl::unexpected(until.error());
  const auto made = nodes::identity_in(options.folder, options.name);
  fmt::print("Made a certificate for {}, valid until {}. {}:\n  {}\n  {}\n  {}\n", options.name, *until,
             options.name == server_name ? "The server needs these three files"
                                         : "Copy these three files to the worker, and no other",
             made.certificate.string(), made.key.string(), made.authority.string());
  return {};
}

} // namespace

void add_certs(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<certs_options>();
  auto* command = app.add_subcommand("certs", "The certificates with which workers join a server");
  option(*command, "folder", options->folder, "Where they are");
  command->require_subcommand(1);
  command->fallthrough();
  command->add_subcommand("init", "Make an authority, and the server's certificate")->callback([options, &exit_code] {
    exit_code = report(init(*options));
  });
  auto* one = command->add_subcommand("issue", "Make a certificate for a worker, or for the server a new one");
  one->add_option("NAME", options->name, "The worker's name, such as gpu-1; `server` is the server's")->required();
  option(*one, "days", options->days, "How long it is valid")->check(CLI::Range(1, 3650));
  one->add_flag("--force", options->force, "Replace one of the same name");
  one->callback([options, &exit_code] { exit_code = report(issue_one(*options)); });
}

} // namespace vp::cli
