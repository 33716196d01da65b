#include "cli/api_client.hpp"
#include "cli/chunk_order.hpp"
#include "cli/commands.hpp"
#include "cli/fingerprint.hpp"
#include "cli/terminal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <iostream>
#include <mutex>
#include <optional>
#include <thread>

namespace vp::cli {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
using nlohmann::json;

struct upload_options {
  std::string file;
  std::string server;
  std::string title;
  std::string description;
  std::uint64_t chunk_size = 1U << 20U;
  unsigned connections = 4;
  bool no_wait = false;
};

/// Tries of one request before the upload is given up: the server may be starting again.
constexpr int max_tries = 8;

/// What the connections share: the chunks still to send, and what became of the others.
class chunk_list {
public:
  chunk_list(chunk_indexes wanted, std::uint64_t bytes_done) : wanted_(std::move(wanted)), done_(bytes_done) {}

  /// The next chunk to send; nothing once all are taken or the upload has failed.
  std::optional<std::uint32_t> take() {
    std::lock_guard lock{mutex_};
    if (wanted_.empty() || failure_)
      return std::nullopt;
    auto index = wanted_.front();
    wanted_.pop_front();
    return index;
  }

  /// `first`: those that the server waits for.
  void sent(std::uint64_t bytes, const std::vector<std::uint32_t>& first) {
    std::lock_guard lock{mutex_};
    done_ += bytes;
    put_first(wanted_, first);
    changed_.notify_all();
  }

  void give_up(error problem) {
    std::lock_guard lock{mutex_};
    failure_ = std::move(problem);
    changed_.notify_all();
  }

  void worker_ended() {
    std::lock_guard lock{mutex_};
    ++ended_;
    changed_.notify_all();
  }

  /// Calls `show(bytes done)` now and then until so many workers have ended.
  template <class Show>
  result<void> wait(unsigned workers, Show show) {
    std::unique_lock lock{mutex_};
    while (ended_ < workers) {
      changed_.wait_for(lock, 100ms);
      show(done_);
    }
    if (failure_)
      return tl::unexpected(*failure_);
    return {};
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  chunk_indexes wanted_;
  std::uint64_t done_;
  unsigned ended_ = 0;
  std::optional<error> failure_;
};

/// Whether the same request may succeed a little later.
bool is_passing(const error& problem) {
  return problem.code == errc::io_failed || problem.code == errc::overloaded || problem.code == errc::timed_out
         || problem.code == errc::internal;
}

/// The answer to a request that is sent again, less and less often, as long as `passing(problem)`. Every request of an
/// upload may arrive twice.
template <class Send, class Passing>
result<json> persist(Send send, Passing passing) {
  for (int tried = 1;; ++tried) {
    result<json> answer = send();
    if (answer || tried == max_tries || !passing(answer.error()))
      return answer;
    std::this_thread::sleep_for(250ms * (1 << std::min(tried, 5)));
  }
}

/// The answer to a request before or after the chunks, when there is no bar to show that nothing moves.
result<json> persist(api_client& api, const std::string& path, const json& body = nullptr) {
  return persist([&] { return api.post(path, body); },
                 [](const error& problem) {
                   if (!is_passing(problem))
                     return false;
                   std::cerr << "vidpipeline: " << printable(problem.text) << "; trying again\n";
                   return true;
                 });
}

result<json> send_chunk(api_client& api, media::byte_source& source, const std::string& hash, std::uint32_t index,
                        std::uint64_t chunk_size) {
  auto body = read_range(source, index * chunk_size, chunk_size);
  if (!body)
    return tl::unexpected(body.error());
  return persist([&] { return api.post_bytes(fmt::format("/videos/upload_chunk/{}/{}", hash, index), *body); },
                 [](const error& problem) {
                   // A conflict is a try before this one whose connection the server has not given up yet.
                   return is_passing(problem) || problem.code == errc::conflict;
                 });
}

/// One connection: sends chunks until none is left.
void send_chunks(const upload_options& options, const std::string& hash, chunk_list& chunks) {
  api_client api{options.server};
  if (auto source = media::open_file(options.file); !source)
    chunks.give_up(source.error());
  else
    while (auto index = chunks.take()) {
      if (auto outcome = send_chunk(api, **source, hash, *index, options.chunk_size); outcome)
        chunks.sent(std::min(options.chunk_size, (*source)->size() - *index * options.chunk_size),
                    outcome->value("wanted_chunks", std::vector<std::uint32_t>{}));
      else
        chunks.give_up(outcome.error());
    }
  chunks.worker_ended();
}

result<void> send_missing(const upload_options& options, media::byte_source& source, const json& video) {
  const auto size = source.size();
  auto hash = video.value("video_hash", "");
  auto missing = video.value("missing_chunks", chunk_indexes{});
  if (missing.empty())
    return {};
  std::uint64_t wanted = 0;
  for (auto index : missing)
    wanted += std::min(options.chunk_size, size - index * options.chunk_size);
  auto before = size - wanted;
  if (before > 0)
    fmt::print("Resuming: {} of {} are there\n", human_bytes(static_cast<double>(before)),
               human_bytes(static_cast<double>(size)));
  chunk_list chunks{in_sending_order(missing, source, options.chunk_size), before};
  std::vector<std::jthread> workers;
  for (unsigned i = 0; i < options.connections; ++i)
    workers.emplace_back([&] { send_chunks(options, hash, chunks); });
  live_lines lines;
  auto started = clock::now();
  auto total = static_cast<double>(size);
  auto line = [&](std::uint64_t done) {
    auto seconds = std::chrono::duration<double>(clock::now() - started).count();
    auto rate = static_cast<double>(done - before) / std::max(seconds, 1e-3);
    auto left = rate > 0 ? (total - static_cast<double>(done)) / rate : -1;
    return fmt::format("Uploading   {}  {} of {}  {}/s  {}", bar(static_cast<double>(done) / total),
                       human_bytes(static_cast<double>(done)), human_bytes(total), human_bytes(rate),
                       human_seconds(left));
  };
  std::uint64_t last = before;
  auto outcome = chunks.wait(options.connections, [&](std::uint64_t done) {
    last = done;
    lines.show({line(done)});
  });
  if (outcome)
    lines.show({line(last)}, true);
  return outcome;
}

std::vector<std::string> progress_lines(const json& progress) {
  auto left = progress.contains("eta_seconds") && progress["eta_seconds"].is_number()
                  ? fmt::format("  {} left", human_seconds(progress["eta_seconds"].get<double>()))
                  : std::string{};
  std::vector<std::string> lines{fmt::format("{:<12}{} of {} segments{}", progress.value("phase", ""),
                                             progress.value("segments_done", 0), progress.value("segments_total", 0),
                                             left)};
  for (auto& rendition : progress.value("renditions", json::array())) {
    auto total = std::max(1.0, rendition.value("total", 0.0));
    lines.push_back(fmt::format("  {:<10}{}", rendition.value("name", ""), bar(rendition.value("done", 0.0) / total)));
  }
  return lines;
}

/// The progress of a job that is done, made of the last that was seen of it.
json all_done(json progress) {
  progress["phase"] = "completed";
  progress["segments_done"] = progress.value("segments_total", 0);
  progress["eta_seconds"] = nullptr;
  for (auto& rendition : progress["renditions"])
    rendition["done"] = rendition["total"];
  return progress;
}

/// Shows a video's transcode until it ends.
result<void> follow(api_client& api, const std::string& hash) {
  live_lines lines;
  json seen;
  for (int failures = 0;;) {
    auto video = api.get("/videos/" + hash);
    if (!video) {
      if (++failures == max_tries || !is_passing(video.error()))
        return tl::unexpected(video.error());
      std::this_thread::sleep_for(1s);
      continue;
    }
    failures = 0;
    auto status = video->value("status", "");
    if (status == "failed")
      return fail(errc::broken_media, video->value("error", "the video could not be transcoded"));
    if (status == "completed") {
      if (seen.is_object())
        lines.show(progress_lines(all_done(seen)), true);
      return {};
    }
    if (auto progress = video->value("progress", json{}); progress.is_object()) {
      seen = std::move(progress);
      lines.show(progress_lines(seen));
    }
    std::this_thread::sleep_for(250ms);
  }
}

result<void> upload(upload_options options) {
  auto source = media::open_file(options.file);
  if (!source)
    return tl::unexpected(source.error());
  if ((*source)->size() == 0)
    return fail(errc::invalid_request, fmt::format("{} is empty", options.file));
  if (options.title.empty())
    options.title = printable(std::filesystem::path{options.file}.filename().string());
  auto identity = fingerprint(**source);
  if (!identity)
    return tl::unexpected(identity.error());

  // What a server takes at most.
  constexpr std::uint64_t most_chunks = 100'000;
  constexpr std::uint64_t step = 1U << 20U;
  if (const auto least = ((*source)->size() + most_chunks - 1) / most_chunks; options.chunk_size < least)
    options.chunk_size = (least + step - 1) / step * step;

  api_client api{options.server};
  auto video = persist(api, "/videos/init",
                       json{{"title", options.title},
                            {"description", options.description},
                            {"file_size", (*source)->size()},
                            {"total_chunks", ((*source)->size() + options.chunk_size - 1) / options.chunk_size},
                            {"chunk_size", options.chunk_size},
                            {"fingerprint", *identity}});
  if (!video)
    return tl::unexpected(video.error());
  auto hash = video->value("video_hash", "");
  if (video->value("resumable", false)) {
    if (auto sent = send_missing(options, **source, *video); !sent)
      return sent;
    if (auto finalized = persist(api, "/videos/finalize/" + hash); !finalized)
      return tl::unexpected(finalized.error());
  }
  if (!options.no_wait)
    if (auto outcome = follow(api, hash); !outcome)
      return outcome;
  fmt::print("{} {}/streaming.html?v={}\n", options.no_wait ? "It will play at:" : "Watch:", options.server, hash);
  return {};
}

} // namespace

void add_upload(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<upload_options>();
  auto* command = app.add_subcommand("upload", "Upload a video, resuming where an earlier try ended");
  command->add_option("file", options->file, "The video")->required()->check(CLI::ExistingFile);
  server_option(*command, options->server);
  option(*command, "title", options->title, "Its title; the file's name by default");
  option(*command, "description", options->description, "Its description");
  option(*command, "chunk-size", options->chunk_size,
         "Bytes of a chunk, with KB, MB, ... if wanted; larger where a file would have more than 100,000")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{64} << 20U));
  option(*command, "connections", options->connections, "Chunks in flight at once")->check(CLI::Range(1, 64));
  flag(*command, "no-wait", options->no_wait, "Don't wait for the transcode");
  command->callback([options, &exit_code] { exit_code = report(upload(*options)); });
}

} // namespace vp::cli
