#pragma once

#include <CLI/CLI.hpp>

#include <string>

/// The subcommands. Each registers its options and what runs when it is chosen; `exit_code` is what the program ends
/// with.
namespace vp::cli {

void add_serve(CLI::App& app, int& exit_code);
void add_upload(CLI::App& app, int& exit_code);
void add_list(CLI::App& app, int& exit_code);
void add_show(CLI::App& app, int& exit_code);
void add_retry(CLI::App& app, int& exit_code);
void add_delete(CLI::App& app, int& exit_code);

/// Adds `--<name>`, which `VIDPIPELINE_<NAME>` in the environment and the configuration file set too.
template <class T>
CLI::Option* option(CLI::App& command, const std::string& name, T& value, const std::string& help) {
  std::string variable = "VIDPIPELINE_";
  for (auto c : name)
    variable += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return command.add_option("--" + name, value, help)->envname(variable)->capture_default_str();
}

/// Adds `--server`, the server that a client command talks to.
CLI::Option* server_option(CLI::App& command, std::string& url);

} // namespace vp::cli
