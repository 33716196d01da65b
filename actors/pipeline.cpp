#include "actors/pipeline.hpp"

#include "actors/catalog.hpp"
#include "actors/dispatcher.hpp"
#include "actors/embedded_queue.hpp"
#include "actors/encoder.hpp"
#include "actors/encoder_pool.hpp"
#include "actors/event_hub.hpp"
#include "actors/job_manager.hpp"
#include "actors/kafka_bridge.hpp"
#include "actors/node_gate.hpp"
#include "actors/outbox_publisher.hpp"
#include "actors/recover.hpp"
#include "actors/segmenter.hpp"
#include "actors/session_manager.hpp"
#include "actors/source_reader.hpp"
#include "actors/storage_metrics.hpp"
#include "actors/transcode_job.hpp"
#include "actors/transcode_metrics.hpp"

#include <fmt/format.h>
#include <sodium.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <unistd.h>

namespace vp {

namespace {

std::string owner_name() {
  return fmt::format("{}-{:08x}", getpid(), randombytes_random());
}

/// How a job's actors come to be.
job_starter starter(caf::actor_system& system, const data_folder& folder, const transcode_job_config& settings,
                    const catalog_actor& catalog, const dispatcher_actor& dispatcher) {
  return [=, &system, count = 0U](const std::string& hash, const upload_session_actor& upload,
                                  const finish_listener& listener) mutable -> transcode_job_actor {
    auto config = settings;
    config.upload = upload;
    config.owner += fmt::format("/{}", ++count);
    config.video_hash = hash;
    config.source_path = folder.source(hash);
    auto writer = system.spawn<caf::detached>(segmenter, folder, hash);
    return system.spawn(transcode_job, std::move(config), catalog, dispatcher, writer, listener);
  };
}

/// Tells when one of these actors has ended: as long as this one is there, nobody has asked them to, but `drained`.
caf::behavior watcher(caf::event_based_actor* self, const std::map<caf::actor_addr, std::string>& whom,
                      const caf::actor_addr& drained, const std::function<void()>& on_failure) {
  for (auto& [who, name] : whom)
    self->monitor(who);
  self->set_down_handler([whom, drained, on_failure](const caf::down_msg& down) {
    if (down.source == drained && down.reason == caf::exit_reason::user_shutdown)
      return;
    spdlog::critical("the {} has ended: {}", whom.at(down.source), caf::to_string(down.reason));
    on_failure();
  });
  return {[](tick_atom) {}};
}

result<folder_lock> lock_folder(const data_folder& folder, bool shared) {
  constexpr std::chrono::seconds others_start{10};
  return shared ? folder_lock::take_to_share(folder, others_start)
                : folder_lock::take(folder, folder_lock::kind::exclusive);
}

/// Opens it and makes it agree with the disk. Whoever is alone in the folder until now can put more right.
result<std::shared_ptr<database>> open_database(const data_folder& folder, const folder_lock& lock,
                                                const pipeline_config& config) {
  database_options options;
  options.max_open_uploads = config.max_open_uploads;
  auto db = database::open(folder.database(), options);
  if (!db)
    return tl::unexpected(db.error());
  if (!config.kafka)
    if (auto forgotten = (*db)->forget_publications(); !forgotten)
      return tl::unexpected(forgotten.error());
  auto found = recover(**db, folder, {lock.exclusive(), lock.machine_restarted()});
  if (!found)
    return tl::unexpected(found.error());
  spdlog::info("start: {} videos made again, {} failed, {} uploads begun again, {} jobs enqueued, {} files removed",
               found->requeued, found->failed, found->restarted, found->enqueued, found->removed);
  return std::shared_ptr<database>{std::move(*db)};
}

} // namespace

system_config::system_config() {
  vp::add_message_types(*this);
  // Stealing polls in between, which costs a microsecond-scale request dozens of them on a few cores.
  set("scheduler.policy", caf::atom("sharing"));
}

result<std::unique_ptr<pipeline>> pipeline::start(caf::actor_system& system, const pipeline_config& config,
                                                  const std::shared_ptr<prometheus::Registry>& registry) {
  if (sodium_init() < 0)
    return fail(errc::internal, "libsodium does not start");
  if (config.kafka)
    if (auto valid = kafka::check(*config.kafka); !valid)
      return fail(errc::invalid_request, valid.error().text);
  data_folder folder{config.data};
  auto lock = lock_folder(folder, config.kafka.has_value());
  if (!lock)
    return tl::unexpected(lock.error());
  auto db = open_database(folder, *lock, config);
  if (!db)
    return tl::unexpected(db.error());
  if (config.kafka)
    if (auto shared = lock->share(); !shared)
      return tl::unexpected(shared.error());

  auto storage = std::make_shared<storage_metrics>(registry);
  auto transcoding = std::make_shared<transcode_metrics>(registry);
  std::unique_ptr<pipeline> made{new pipeline{system, std::move(*lock)}};
  auto& self = *made;

  // An event of one server is seen at another within a tenth of a second.
  const caf::timespan watch = config.kafka ? std::chrono::milliseconds(100) : caf::timespan::zero();
  self.catalog_ = system.spawn<caf::detached>(vp::catalog, catalog_config{std::move(*db), folder, watch});
  event_hub_config hub;
  hub.catalog = self.catalog_;
  hub.metrics = storage;
  self.events_ = system.spawn(event_hub, hub);
  self.start_queue(config, folder, storage);

  dispatcher_config dispatch;
  dispatch.segment_timeout = config.segment_timeout + std::chrono::seconds(30);
  dispatch.metrics = transcoding;
  self.dispatcher_ = system.spawn(vp::dispatcher, dispatch);

  transcode_job_config job;
  job.owner = self.owner_;
  job.url = config.url;
  job.settings = config.settings;
  job_manager_config manager;
  manager.concurrency = config.jobs;
  manager.metrics = transcoding;
  self.jobs_ =
      system.spawn(job_manager, manager, self.queue_, starter(system, folder, job, self.catalog_, self.dispatcher_));

  session_manager_config sessions;
  sessions.catalog = self.catalog_;
  sessions.queue = self.queue_;
  sessions.jobs = self.jobs_;
  sessions.folder = folder;
  sessions.shared = !self.lock_.exclusive();
  sessions.limits.max_file_size = config.max_file_size;
  sessions.limits.max_chunk_size = config.max_chunk_size;
  sessions.upload_expiry = config.upload_expiry;
  sessions.metrics = storage;
  self.sessions_ = system.spawn<caf::detached>(session_manager, sessions);
  self.start_encoders(config, dispatch);
  self.watcher_ =
      system.spawn(watcher, self.core(), caf::actor_cast<caf::actor_addr>(self.publisher_), config.on_failure);
  return made;
}

pipeline::pipeline(caf::actor_system& system, folder_lock lock)
    : system_(system), lock_(std::move(lock)), owner_(owner_name()) {}

void pipeline::start_encoders(const pipeline_config& config, const dispatcher_config& dispatch) {
  encoder_config encoding;
  encoding.segment_timeout = config.segment_timeout;
  reader_ = system_.spawn<caf::detached>(source_reader);
  node_gate_config gate;
  gate.dispatcher = dispatcher_;
  gate.slot.reader = reader_;
  gate.slot.sessions = sessions_;
  gate.slot.dispatcher = dispatcher_;
  constexpr std::chrono::seconds sooner{10};
  gate.slot.task_limits = {dispatch.segment_timeout - sooner, dispatch.analyze_timeout - sooner};
  gate.limits = {config.segment_timeout, encoding.analyze_timeout};
  gate.versions = config.versions;
  if (config.passes)
    gate.passes = config.passes;
  gate_ = system_.spawn(node_gate, gate);
  if (config.encoders == 0)
    return;
  encoder_pool_config pool;
  pool.size = config.encoders;
  std::function<encoder_actor()> make = [&system = system_, encoding] { return spawn_encoder(system, encoding); };
  encoders_ = caf::actor_cast<caf::actor>(system_.spawn(encoder_pool, pool, dispatcher_, make));
}

void pipeline::start_queue(const pipeline_config& config, const data_folder& folder,
                           const std::shared_ptr<storage_metrics>& metrics) {
  if (!config.kafka) {
    embedded_queue_config queue;
    queue.catalog = catalog_;
    queue.metrics = metrics;
    queue_ = system_.spawn(embedded_queue, queue);
    return;
  }
  outbox_publisher_config publisher;
  publisher.catalog = catalog_;
  publisher.folder = folder;
  publisher.kafka = *config.kafka;
  publisher.owner = owner_;
  publisher.metrics = metrics;
  publisher_ = system_.spawn<caf::detached>(outbox_publisher, publisher);
  kafka_bridge_config bridge;
  bridge.catalog = catalog_;
  bridge.publisher = publisher_;
  bridge.kafka = *config.kafka;
  bridge.metrics = metrics;
  queue_ = system_.spawn<caf::detached>(kafka_bridge, bridge);
}

void pipeline::drain(std::chrono::milliseconds limit) {
  caf::scoped_actor self{system_};
  self->request(jobs_, limit, drain_atom_v)
      .receive([] {},
               [](const caf::error& problem) { spdlog::warn("jobs did not end in time: {}", from_caf(problem).text); });
  if (!publisher_)
    return;
  // Another server need not wait until the lease is over.
  self->send_exit(publisher_, caf::exit_reason::user_shutdown);
  self->wait_for(publisher_);
  self->request(catalog_, limit, release_atom_v, owner_).receive([] {}, [](const caf::error&) {});
}

pipeline::~pipeline() {
  caf::anon_send_exit(watcher_, caf::exit_reason::user_shutdown);
  for (auto& [who, name] : core())
    caf::anon_send_exit(who, caf::exit_reason::user_shutdown);
  system_.await_all_actors_done();
  if (auto settled = lock_.settle(); !settled)
    spdlog::warn("{}", settled.error().text);
}

std::map<caf::actor_addr, std::string> pipeline::core() const {
  std::map<caf::actor_addr, std::string> all{
      {sessions_.address(), "session manager"}, {jobs_.address(), "job manager"},      {queue_.address(), "queue"},
      {gate_.address(), "node gate"},           {dispatcher_.address(), "dispatcher"}, {events_.address(), "event hub"},
      {reader_.address(), "source reader"},     {catalog_.address(), "catalog"}};
  if (encoders_)
    all.emplace(encoders_.address(), "encoder pool");
  if (publisher_)
    all.emplace(publisher_.address(), "publisher of the outbox");
  return all;
}

} // namespace vp
