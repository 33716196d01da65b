#include "http/server.hpp"

#include "http/events_api.hpp"
#include "http/files_api.hpp"
#include "http/io_thread.hpp"
#include "http/nodes_api.hpp"
#include "http/service.hpp"
#include "http/status_api.hpp"
#include "http/upload_api.hpp"
#include "http/videos_api.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <sys/resource.h>
#include <system_error>
#include <vector>

namespace vp::http {

namespace {

using tcp = asio::ip::tcp;

/// Raises the limit of open files to what the system allows; answers what it is then.
std::uint64_t raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return std::numeric_limits<std::uint64_t>::max();
  auto wanted = limit;
  wanted.rlim_cur = limit.rlim_max;
#ifdef __APPLE__
  wanted.rlim_cur = std::min<rlim_t>(wanted.rlim_cur, OPEN_MAX);
#endif
  if (::setrlimit(RLIMIT_NOFILE, &wanted) == 0)
    return wanted.rlim_cur;
  spdlog::warn("the limit of open files stays as it is: {}", std::generic_category().message(errno));
  return limit.rlim_cur;
}

/// Connections that leave file descriptors for the rest of the server, and for those that are told 503.
std::size_t fit_connections(std::size_t wanted, std::uint64_t files) {
  constexpr std::uint64_t reserved = 256;
  const auto room = std::max(files, reserved + 16) - reserved;
  const auto fitting = static_cast<std::size_t>(std::min<std::uint64_t>(wanted, room / 16 * 15));
  if (fitting < wanted)
    spdlog::warn("at most {} connections instead of {}: this process may open {} files", fitting, wanted, files);
  return fitting;
}

result<std::unique_ptr<service>> make_service(const server_config& config, const backend& actors) {
  const auto uploads = config.data_dir / "uploads";
  std::error_code failure;
  std::filesystem::create_directories(uploads, failure);
  if (failure)
    return fail(errc::io_failed, fmt::format("cannot create {}: {}", uploads.string(), failure.message()));
  auto media = file_root::open(uploads);
  if (!media)
    return tl::unexpected(media.error());
  std::optional<file_root> pages;
  if (!config.client_dir.empty()) {
    auto client = file_root::open(config.client_dir);
    if (!client)
      return tl::unexpected(client.error());
    pages = std::move(*client);
  }
  auto made = std::make_unique<service>(config, actors, std::move(*media), std::move(pages));
  add_upload_api(made->router);
  add_events_api(made->router);
  add_videos_api(made->router);
  add_nodes_api(made->router);
  add_status_api(made->router);
  add_files_api(made->router);
  return made;
}

} // namespace

struct server::state {
  state(server_config settings, backend answerers) : config(std::move(settings)), actors(std::move(answerers)) {}

  asio::awaitable<void> accept();

  server_config config;
  backend actors;
  std::unique_ptr<service> app;
  std::vector<std::unique_ptr<io_thread>> threads;
  std::optional<tcp::acceptor> acceptor; ///< lives on the first thread
};

/// Deals connections out to the threads in turn. Some above the limit are let in to be told 503; past those, newcomers
/// wait in the kernel's queue.
asio::awaitable<void> server::state::accept() {
  const auto limit = config.limits.connections;
  const auto ceiling = limit + limit / 16 + 16;
  asio::steady_timer pause{threads.front()->context()};
  for (std::size_t next = 0; acceptor->is_open();) {
    if (app->connections >= ceiling) {
      pause.expires_after(std::chrono::milliseconds(20));
      co_await pause.async_wait(as_result);
      continue;
    }
    auto& thread = *threads[next++ % threads.size()];
    auto [failure, socket] = co_await acceptor->async_accept(thread.context(), as_result);
    if (failure == asio::error::operation_aborted)
      co_return;
    if (failure) {
      spdlog::warn("cannot accept a connection: {}", failure.message());
      pause.expires_after(std::chrono::milliseconds(100));
      co_await pause.async_wait(as_result);
      continue;
    }
    thread.adopt(std::move(socket), app->connections >= limit);
  }
}

server::server(server_config config, backend actors)
    : state_(std::make_unique<state>(std::move(config), std::move(actors))) {}

server::~server() {
  stop(std::chrono::milliseconds(0));
}

result<void> server::start(listener port) {
  auto& connections = state_->config.limits.connections;
  connections = fit_connections(connections, raise_file_limit());
  auto app = make_service(state_->config, state_->actors);
  if (!app)
    return tl::unexpected(app.error());
  state_->app = std::move(*app);
  for (unsigned i = 0; i < std::max(1u, state_->config.threads); ++i)
    state_->threads.push_back(std::make_unique<io_thread>(*state_->app));
  state_->acceptor.emplace(std::move(port).move_to(state_->threads.front()->context()));
  asio::co_spawn(state_->threads.front()->context(), state_->accept(), asio::detached);
  for (auto& thread : state_->threads)
    thread->start();
  return {};
}

void server::stop(std::chrono::milliseconds grace) {
  if (!state_->acceptor)
    return;
  // On its own thread, and before the threads go: a connection that was accepted is either adopted or closed.
  asio::post(state_->threads.front()->context(), [this] {
    beast::error_code ignored;
    state_->acceptor->close(ignored);
  });
  for (auto& thread : state_->threads)
    thread->stop(grace);
  for (auto& thread : state_->threads)
    thread->join();
  state_->acceptor.reset();
  state_->threads.clear();
}

} // namespace vp::http
