// The commands that look at the library and change it: list, show, retry, delete.

#include "cli/api_client.hpp"
#include "cli/commands.hpp"
#include "cli/terminal.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <functional>
#include <iostream>

namespace vp::cli {

namespace {

using nlohmann::json;

struct target {
  std::string server;
  std::string video;
};

/// The only video whose hash begins with `prefix`.
result<std::string> find_video(api_client& api, const std::string& prefix) {
  // An empty variable in a script must not stand for the only video there is.
  constexpr std::size_t shortest = 4;
  if (prefix.size() < shortest || prefix.find_first_not_of("0123456789abcdef") != std::string::npos)
    return fail(errc::invalid_request,
                fmt::format("'{}' is not a video: give at least {} hex digits of its hash", prefix, shortest));
  auto videos = api.get("/videos");
  if (!videos)
    return tl::unexpected(videos.error());
  std::string found;
  for (auto& video : *videos) {
    auto hash = video.value("video_hash", "");
    if (!hash.starts_with(prefix))
      continue;
    if (!found.empty())
      return fail(errc::conflict, fmt::format("several videos begin with {}", prefix));
    found = hash;
  }
  if (found.empty())
    return fail(errc::not_found, fmt::format("no video begins with {}", prefix));
  return found;
}

result<void> list(api_client& api) {
  auto videos = api.get("/videos");
  if (!videos)
    return tl::unexpected(videos.error());
  fmt::print("{:<12}  {:<10}  {:>9}  {:>9}  {}\n", "VIDEO", "STATUS", "SIZE", "LENGTH", "TITLE");
  for (auto& video : *videos) {
    auto size = video["width"].is_number() && video["width"] > 0
                    ? fmt::format("{}x{}", video["width"].get<int>(), video["height"].get<int>())
                    : "-";
    auto length = video["duration"].is_number() ? fmt::format("{:.1f} s", video["duration"].get<double>()) : "-";
    fmt::print("{:<12.12}  {:<10}  {:>9}  {:>9}  {}\n", printable(video.value("video_hash", "")),
               printable(video.value("status", "")), size, length, printable(video.value("title", "")));
  }
  return {};
}

result<void> show(api_client& api, const std::string& hash) {
  auto video = api.get("/videos/" + hash);
  if (!video)
    return tl::unexpected(video.error());
  fmt::print("{}\n", printable(video->dump(2), "\n"));
  if (video->value("status", "") == "completed")
    fmt::print("Watch: {}/streaming.html?v={}\n", api.url(), hash);
  return {};
}

result<void> retry(api_client& api, const std::string& hash) {
  auto video = api.post("/videos/" + hash + "/retry");
  if (!video)
    return tl::unexpected(video.error());
  fmt::print("{} is {}\n", hash, printable(video->value("status", "")));
  return {};
}

result<void> remove(api_client& api, const std::string& hash) {
  return api.remove("/videos/" + hash).map([&] { fmt::print("{} is deleted\n", hash); });
}

/// Adds a command that works on one video, named by its hash or the beginning of it.
void add_video_command(CLI::App& app, int& exit_code, const std::string& name, const std::string& help,
                       std::function<result<void>(api_client&, const std::string& hash)> run) {
  auto words = std::make_shared<target>();
  auto* command = app.add_subcommand(name, help);
  server_option(*command, words->server);
  command->add_option("video", words->video, "The video's hash, or the first 4 digits of it or more")->required();
  command->callback([words, run = std::move(run), &exit_code] {
    api_client api{words->server};
    exit_code = report(find_video(api, words->video).and_then([&](const std::string& hash) { return run(api, hash); }));
  });
}

} // namespace

int report(const result<void>& outcome) {
  if (outcome)
    return EXIT_SUCCESS;
  std::cerr << "vidpipeline: " << printable(outcome.error().text) << '\n';
  return EXIT_FAILURE;
}

CLI::Option* server_option(CLI::App& command, std::string& url) {
  if (url.empty())
    url = "http://localhost:8000";
  auto check = [](std::string& address) {
    address.erase(address.find_last_not_of('/') + 1);
    auto scheme = address.find("://");
    auto host = scheme == std::string::npos ? 0 : scheme + 3;
    return address.find('/', host) == std::string::npos && host < address.size()
               ? std::string{}
               : "must be like http://localhost:8000, without a path";
  };
  return option(command, "server", url, "The server's address")->transform(CLI::Validator{check, "", "address"});
}

void add_list(CLI::App& app, int& exit_code) {
  auto words = std::make_shared<target>();
  auto* command = app.add_subcommand("list", "List the videos");
  server_option(*command, words->server);
  command->callback([words, &exit_code] {
    api_client api{words->server};
    exit_code = report(list(api));
  });
}

void add_show(CLI::App& app, int& exit_code) {
  add_video_command(app, exit_code, "show", "Show all that is known of a video", show);
}

void add_retry(CLI::App& app, int& exit_code) {
  add_video_command(app, exit_code, "retry", "Start a failed video over", retry);
}

void add_delete(CLI::App& app, int& exit_code) {
  add_video_command(app, exit_code, "delete", "Delete a video and its files", remove);
}

} // namespace vp::cli
