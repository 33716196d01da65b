#include "actors/pipeline.hpp"
#include "cli/commands.hpp"
#include "cli/kafka_options.hpp"
#include "cli/logging.hpp"
#include "cli/serve_workers.hpp"
#include "cli/versions.hpp"
#include "http/server.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <pthread.h>
#include <thread>
#include <unistd.h>

namespace vp::cli {

namespace {

using namespace std::chrono_literals;

struct serve_options {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8000;
  http::server_config http;
  pipeline_config pipeline;
  kafka_options kafka;
  serve_worker_options workers;
  std::string copy_source = "auto";
  std::uint32_t upload_expiry_hours = 24 * 7;
  std::uint32_t segment_timeout_seconds = 300;
  std::string log_level = "info";
  std::string log_format = "text";
};

/// The signals that end the server. Blocked in every thread, so that only `wait` sees them.
class end_signals {
public:
  end_signals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    // A peer that goes away is an error of the write, not the end of the process.
    std::signal(SIGPIPE, SIG_IGN);
  }

  int wait() const {
    int signal = 0;
    sigwait(&set_, &signal);
    return signal;
  }

private:
  sigset_t set_{};
};

/// Ends the process when an orderly end takes longer than promised. What is on disk is consistent at any moment.
class end_limit {
public:
  explicit end_limit(std::chrono::milliseconds limit)
      : thread_([limit, this](const std::stop_token& stop) {
          std::mutex mutex;
          std::unique_lock lock{mutex};
          if (!ended_.wait_for(lock, stop, limit, [] { return false; }) && !stop.stop_requested()) {
            spdlog::warn("some work did not end in time; it is taken up again at the next start");
            spdlog::shutdown();
            _exit(EXIT_SUCCESS);
          }
        }) {}

private:
  std::condition_variable_any ended_;
  std::jthread thread_;
};

/// The pages: beside the program as it is built, or where it was installed.
std::filesystem::path find_client() {
  std::error_code problem;
  auto program = std::filesystem::read_symlink("/proc/self/exe", problem);
  for (auto candidate : {"../client", "../share/vidpipeline/client"})
    if (auto folder = program.parent_path() / candidate; std::filesystem::exists(folder / "index.html", problem))
      return folder.lexically_normal();
  return {};
}

std::string url_of(const std::string& address, std::uint16_t port) {
  const auto is_ipv6 = address.find(':') != std::string::npos;
  return fmt::format("http://{}:{}", is_ipv6 ? "[" + address + "]" : address, port);
}

result<void> serve(serve_options options) {
  end_signals signals;
  start_logging(options.log_level, options.log_format);
  if (options.http.client_dir.empty())
    options.http.client_dir = find_client();
  options.http.data_dir = options.pipeline.data;
  options.pipeline.upload_expiry = std::chrono::hours(options.upload_expiry_hours);
  options.pipeline.segment_timeout = std::chrono::seconds(options.segment_timeout_seconds);
  options.http.limits.chunk = options.pipeline.max_chunk_size;
  options.pipeline.kafka = options.kafka.chosen();

  // First, so that no job starts in vain. Who connects meanwhile waits.
  auto listener = http::listener::open(options.address, options.port);
  if (!listener)
    return tl::unexpected(listener.error());
  auto port = listener->port();
  if (options.http.url.empty())
    options.http.url = url_of(options.address, port);
  options.pipeline.url = options.http.url;

  auto versions = program_versions();
  if (!versions)
    return tl::unexpected(versions.error());
  options.pipeline.versions = std::move(*versions);
  auto entrance = node_entrance::prepare(options.workers);
  if (!entrance)
    return tl::unexpected(entrance.error());

  options.pipeline.passes = entrance->passes();

  auto registry = std::make_shared<prometheus::Registry>();
  auto config = entrance->actor_config();
  caf::actor_system system{*config};
  std::atomic<bool> broken = false;
  options.pipeline.on_failure = [&broken] {
    broken = true;
    kill(getpid(), SIGTERM);
  };
  auto actors = pipeline::start(system, options.pipeline, registry);
  if (!actors)
    return tl::unexpected(actors.error());
  auto& started = **actors;
  if (auto opened = entrance->open(system, started.gate(), options.log_level, options.log_format); !opened)
    return opened;
  http::server server{options.http,
                      {system, started.sessions(), started.catalog(), started.events(), started.queue(),
                       started.dispatcher(), started.jobs(), registry}};
  if (auto serving = server.start(std::move(*listener)); !serving)
    return serving;
  spdlog::info("listening on http://{}:{}", options.address, port);

  auto signal = signals.wait();
  spdlog::info("{}: ending", signal == SIGTERM ? "SIGTERM" : "SIGINT");
  end_limit limit{9500ms};
  std::jthread drain{[&] { started.drain(8s); }};
  server.stop(5s);
  drain.join();
  entrance->close();
  actors->reset();
  if (broken)
    return fail(errc::internal, "a part of the server has ended; the log says which");
  spdlog::info("ended");
  return {};
}

} // namespace

void add_serve(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<serve_options>();
  auto* command = app.add_subcommand("serve", "Serve the library, take uploads and transcode them");
  option(*command, "address", options->address, "Address to listen on; 0.0.0.0 for every network");
  option(*command, "port", options->port, "Port to listen on; 0 for any that is free");
  option(*command, "url", options->http.url,
         "Where other servers of the same data folder reach this one; http://ADDRESS:PORT if not said")
      ->check([](const std::string& url) {
        return url.starts_with("http://") ? std::string{} : "must begin with http://";
      });
  option(*command, "data", options->pipeline.data, "Folder of the videos and the database");
  option(*command, "client", options->http.client_dir, "Folder of the pages, if not those that belong to this program");
  option(*command, "encoder", options->pipeline.settings.encoder,
         "Video encoder: auto, libx264, h264_videotoolbox; libx264 where it does not open");
  option(*command, "copy-source", options->copy_source,
         "auto: where a source's own H.264 can be the largest rendition it is copied, not encoded; off: never")
      ->check(CLI::IsMember({"auto", "off"}));
  option(*command, "preset", options->pipeline.settings.preset, "x264's preset, from ultrafast to placebo");
  option(*command, "crf", options->pipeline.settings.crf, "x264's quality, lower is better")
      ->check(CLI::Range(0.0, 51.0));
  add_worker_options(*command, options->workers);
  option(*command, "jobs", options->pipeline.jobs, "Videos that share the encoders at the same time")
      ->check(CLI::Range(1, 1024));
  option(*command, "max-file-size", options->pipeline.max_file_size,
         "Largest upload, bytes, with MB, GB, ... if wanted")
      ->transform(CLI::AsSizeValue(false));
  option(*command, "max-chunk-size", options->pipeline.max_chunk_size, "Largest chunk")
      ->transform(CLI::AsSizeValue(false));
  option(*command, "max-open-uploads", options->pipeline.max_open_uploads, "Uploads that may be open at once");
  option(*command, "upload-expiry", options->upload_expiry_hours, "Hours until an abandoned upload is removed")
      ->check(CLI::Range(1, 876'000));
  option(*command, "segment-timeout", options->segment_timeout_seconds, "Seconds that one segment may take to encode")
      ->check(CLI::Range(1, 86'400));
  add_kafka_options(*command, options->kafka);
  option(*command, "max-connections", options->http.limits.connections, "HTTP connections at once");
  option(*command, "http-threads", options->http.threads, "Threads for HTTP")->check(CLI::Range(1, 64));
  option(*command, "log-level", options->log_level, "trace, debug, info, warn, err, critical or off")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "err", "critical", "off"}));
  option(*command, "log-format", options->log_format, "text, or json for an object a line")
      ->check(CLI::IsMember({"text", "json"}));
  command->callback([options, &exit_code] {
    options->pipeline.settings.copy_source = options->copy_source == "auto";
    exit_code = report(serve(*options));
  });
}

} // namespace vp::cli
