#include "tests/http/live_server.hpp"

#include <sodium.h>

#include <stdexcept>
#include <thread>

namespace vp::http {

namespace {

template <class T>
T must(result<T> outcome) {
  if (!outcome)
    throw std::runtime_error{outcome.error().text};
  if constexpr (!std::is_void_v<T>)
    return std::move(*outcome);
}

} // namespace

live_server::actors_config::actors_config() {
  vp::add_message_types(*this);
  set("scheduler.policy", caf::atom("sharing"));
}

live_server::live_server(const adjust& change, const std::filesystem::path& shared_data) {
  if (sodium_init() < 0)
    throw std::runtime_error{"libsodium does not start"};
  const auto shared = !shared_data.empty();
  config_.data_dir = shared ? shared_data : folder_.path() / "data";
  folder_.write("client/index.html", "<!doctype html><title>library</title>");
  folder_.write("client/docs.html", "<!doctype html><title>docs</title>");
  folder_.write("client/lib/player.mjs", "export {};");
  config_.client_dir = folder_.path() / "client";
  if (change)
    change(config_);

  const data_folder data{config_.data_dir};
  std::filesystem::create_directories(data.uploads());
  auto db = must(database::open(data.database()));
  must(recover(*db, data, {.exclusive = !shared}));
  catalog_ = system_.spawn<caf::detached>(vp::catalog, catalog_config{std::move(db), data});
  event_hub_config hub;
  hub.catalog = catalog_;
  hub.idle = std::chrono::seconds(1);
  events_ = system_.spawn(event_hub, hub);
  embedded_queue_config queue;
  queue.catalog = catalog_;
  queue_ = system_.spawn(embedded_queue, queue);
  dispatcher_ = system_.spawn(vp::dispatcher, dispatcher_config{});
  jobs_ = caf::actor_cast<job_manager_actor>(system_.spawn(scripted_jobs, job_log_));
  session_manager_config sessions;
  sessions.catalog = catalog_;
  sessions.jobs = jobs_;
  sessions.shared = shared;
  sessions.folder = data;
  sessions.headroom = 0;
  sessions_ = system_.spawn<caf::detached>(session_manager, sessions);
  auto port = must(listener::open("127.0.0.1", 0));
  port_ = port.port();
  config_.url = "http://127.0.0.1:" + std::to_string(port_);
  server_ = std::make_unique<server>(
      config_, backend{system_, sessions_, catalog_, events_, queue_, dispatcher_, jobs_, registry_});
  if (auto serving = server_->start(std::move(port)); !serving) {
    end(); // a destructor runs only for what was constructed
    throw std::runtime_error{serving.error().text};
  }
}

live_server::~live_server() {
  end();
}

void live_server::end() {
  server_.reset();
  for (const auto& who : {sessions_.address(), jobs_.address(), queue_.address(), dispatcher_.address(),
                          events_.address(), catalog_.address()})
    caf::anon_send_exit(who, caf::exit_reason::user_shutdown);
}

namespace {

constexpr auto patience = std::chrono::seconds(10);

void failed(const caf::error& problem) {
  throw std::runtime_error{from_caf(problem).text};
}

} // namespace

claimed_job live_server::claim(const std::string& hash, const std::string& url) {
  caf::scoped_actor self{system_};
  claimed_job claimed;
  self->request(catalog_, patience, claim_atom_v, hash, std::string{"test"}, url, caf::timespan{patience})
      .receive([&](claimed_job& job) { claimed = std::move(job); }, failed);
  return claimed;
}

caf::behavior live_server::scripted_jobs(caf::event_based_actor* self, const std::shared_ptr<job_log>& log) {
  return {
      [log](cancel_atom, const std::string& hash) -> caf::result<void> {
        const std::lock_guard lock{log->mutex};
        log->cancelled.push_back(hash);
        return caf::unit;
      },
      [](preview_atom, const std::string&, const upload_session_actor&) {},
      [log](wish_atom, const fragment_wish& what) -> caf::result<std::uint64_t> {
        const std::lock_guard lock{log->mutex};
        if (!log->at_work)
          return to_caf(errc::conflict, "nobody here is at work on this video");
        log->wishes.push_back({what});
        return log->wishes.size() - 1;
      },
      [self, log](await_atom, const std::string&, std::uint64_t) -> caf::result<void> {
        if (log->granted)
          return caf::unit;
        log->answers.push_back(self->make_response_promise());
        return log->answers.back();
      },
      [log](abort_atom, const std::string&, std::uint64_t id) {
        const std::lock_guard lock{log->mutex};
        log->wishes.at(id).taken_back = true;
      },
      [log](end_atom) {
        for (auto& answer : log->answers)
          answer.deliver(caf::unit);
        log->answers.clear();
        log->granted = true;
      },
  };
}

std::vector<std::string> live_server::cancelled() const {
  const std::lock_guard lock{job_log_->mutex};
  return job_log_->cancelled;
}

void live_server::begin_work() {
  const std::lock_guard lock{job_log_->mutex};
  job_log_->at_work = true;
}

std::vector<live_server::wish> live_server::wishes() const {
  const std::lock_guard lock{job_log_->mutex};
  return job_log_->wishes;
}

void live_server::grant_wishes() {
  caf::anon_send(caf::actor_cast<caf::actor>(jobs_), end_atom_v);
}

void live_server::want(const std::string& hash, const std::vector<media::byte_range>& ranges) {
  caf::scoped_actor self{system_};
  self->request(sessions_, patience, session_atom_v, hash)
      .receive([&](const upload_session_actor& session) { self->send(session, want_atom_v, ranges, false); }, failed);
}

void live_server::complete(const std::string& hash) {
  const auto claimed = claim(hash, config_.url);
  caf::scoped_actor self{system_};
  self->request(catalog_, patience, plan_atom_v, claimed.claim, media::analysis{}).receive([] {}, failed);
  self->request(catalog_, patience, complete_atom_v, claimed.claim).receive([](const video&) {}, failed);
}

double live_server::connections() const {
  for (const auto& family : registry_->Collect())
    if (family.name == "vidpipeline_http_connections")
      return family.metric.front().gauge.value;
  return 0;
}

bool live_server::wait_for_connections(std::size_t wanted) {
  return wait_until([&] { return connections() == static_cast<double>(wanted); });
}

} // namespace vp::http
