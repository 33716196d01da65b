#pragma once

#include "media/error.hpp"

#include <CLI/CLI.hpp>

#include <string>

/// The subcommands. Each registers its options and what runs when it is chosen; `exit_code` is what the program ends
/// with.
namespace vp::cli {

void add_serve(CLI::App& app, int& exit_code);
void add_worker(CLI::App& app, int& exit_code);
void add_upload(CLI::App& app, int& exit_code);
void add_list(CLI::App& app, int& exit_code);
void add_show(CLI::App& app, int& exit_code);
void add_retry(CLI::App& app, int& exit_code);
void add_delete(CLI::App& app, int& exit_code);
void add_nodes(CLI::App& app, int& exit_code);
void add_dlq(CLI::App& app, int& exit_code);
void add_certs(CLI::App& app, int& exit_code);

/// Says what went wrong, if anything did. The program's exit status.
int report(const result<void>& outcome);

/// The variable of the environment that sets `--<name>`, such as VIDPIPELINE_LOG_LEVEL.
std::string variable_of(const std::string& name);

/// Adds `--<name>`, which the environment and the configuration file set too.
template <class T>
CLI::Option* option(CLI::App& command, const std::string& name, T& value, const std::string& help) {
  return command.add_option("--" + name, value, help)->envname(variable_of(name))->capture_default_str();
}

/// The same for one without a value, which is off by default.
inline CLI::Option* flag(CLI::App& command, const std::string& name, bool& value, const std::string& help) {
  return command.add_flag("--" + name, value, help)->envname(variable_of(name));
}

/// Adds `--server`, the server that a client command talks to.
CLI::Option* server_option(CLI::App& command, std::string& url);

} // namespace vp::cli
