#include "kafka/consumer.hpp"

#include "kafka/client.hpp"
#include "kafka/read_record.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace vp::kafka {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds revoke_limit{5};
constexpr seconds close_limit{5};
constexpr seconds retry_after{1};

/// In the middle of a rebalance, or after having missed one, commits are refused; what follows tells more.
bool is_of_rebalance(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS || code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION
         || code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID;
}

std::vector<std::int32_t> partitions_of(const rd_kafka_topic_partition_list_t& list) {
  std::vector<std::int32_t> out;
  out.reserve(static_cast<std::size_t>(list.cnt));
  for (int i = 0; i < list.cnt; ++i)
    out.push_back(list.elems[i].partition);
  return out;
}

} // namespace

/// Commits go one at a time: librdkafka tries them again, and a late one must not undo a later one.
struct consumer::state {
  std::string topic;
  kafka::client client;
  handle<rd_kafka_queue_t> commits; // their results
  std::set<std::int32_t> assigned;
  std::map<std::int32_t, std::int64_t> unwritten; // to be committed, or under way
  bool committing = false;
  steady::time_point next_commit;
  bool paused = false;
  bool closed = false;

  partition_list list(const auto& partitions) const {
    partition_list out(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
    for (const auto partition : partitions)
      rd_kafka_topic_partition_list_add(out.get(), topic.c_str(), partition);
    return out;
  }

  void start_commit() {
    if (committing || unwritten.empty() || steady::now() < next_commit)
      return;
    const partition_list offsets(rd_kafka_topic_partition_list_new(static_cast<int>(unwritten.size())));
    for (const auto& [partition, offset] : unwritten)
      rd_kafka_topic_partition_list_add(offsets.get(), topic.c_str(), partition)->offset = offset;
    committing = rd_kafka_commit_queue(client.get(), offsets.get(), commits.get(), nullptr, nullptr)
                 == RD_KAFKA_RESP_ERR_NO_ERROR;
  }

  /// The result of the commit that is under way, where it comes in time; its error, where that is worth telling.
  std::optional<error> finish_commit(steady::time_point deadline) {
    if (!committing)
      return std::nullopt;
    const handle<rd_kafka_event_t> event(rd_kafka_queue_poll(commits.get(), remaining_ms(deadline)));
    if (!event)
      return std::nullopt;
    committing = false;
    auto code = rd_kafka_event_error(event.get());
    const auto* offsets = rd_kafka_event_topic_partition_list(event.get());
    for (int i = 0; offsets && i < offsets->cnt; ++i) {
      const auto& one = offsets->elems[i];
      if (const auto failed = code ? code : one.err)
        code = failed;
      else if (const auto found = unwritten.find(one.partition);
               found != unwritten.end() && found->second == one.offset)
        unwritten.erase(found);
    }
    if (!code)
      return std::nullopt;
    next_commit = steady::now() + retry_after;
    if (is_of_rebalance(code))
      return std::nullopt;
    return client.explain(code, "committing offsets");
  }

  /// All that is to be committed.
  void commit_now(steady::time_point deadline) {
    finish_commit(deadline);
    next_commit = {};
    start_commit();
    finish_commit(deadline);
  }

  void set_paused(const std::set<std::int32_t>& partitions, bool pause) const {
    if (partitions.empty())
      return;
    const auto which = list(partitions);
    pause ? rd_kafka_pause_partitions(client.get(), which.get())
          : rd_kafka_resume_partitions(client.get(), which.get());
  }

  happening rebalance(rd_kafka_event_t* event) {
    auto* const changed = rd_kafka_event_topic_partition_list(event);
    auto partitions = partitions_of(*changed);
    const std::set<std::int32_t> set(partitions.begin(), partitions.end());
    if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
      const handle<rd_kafka_error_t> failed(rd_kafka_incremental_assign(client.get(), changed));
      if (failed)
        return error{rd_kafka_error_code(failed.get()), rd_kafka_error_string(failed.get())};
      assigned.insert(set.begin(), set.end());
      set_paused(set, paused);
      return kafka::assigned{std::move(partitions)};
    }
    const bool lost = rd_kafka_assignment_lost(client.get());
    if (!lost)
      commit_now(steady::now() + revoke_limit);
    for (const auto partition : set) {
      assigned.erase(partition);
      unwritten.erase(partition);
    }
    const handle<rd_kafka_error_t> failed(rd_kafka_incremental_unassign(client.get(), changed));
    return revoked{std::move(partitions), lost};
  }

  happening take(rd_kafka_event_t* event) {
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_FETCH:
      if (const auto* message = rd_kafka_event_message_next(event)) {
        client.answered();
        return read_record(*message);
      }
      return {};
    case RD_KAFKA_EVENT_REBALANCE:
      return rebalance(event);
    case RD_KAFKA_EVENT_ERROR:
      if (auto told = client.told(event); told.code)
        return told;
      return {};
    default:
      return {};
    }
  }

  happening poll(steady::time_point deadline) {
    do {
      if (auto failed = finish_commit(steady::now()))
        return *failed;
      start_commit();
      const auto event = client.poll(milliseconds(remaining_ms(deadline)));
      if (!event)
        return {};
      if (auto what = take(event.get()); what.index() != 0)
        return what;
    } while (remaining_ms(deadline) > 0);
    return {};
  }

  void close() {
    if (std::exchange(closed, true))
      return;
    const auto deadline = steady::now() + close_limit;
    const handle<rd_kafka_queue_t> queue(rd_kafka_queue_get_consumer(client.get()));
    const handle<rd_kafka_error_t> failed(rd_kafka_consumer_close_queue(client.get(), queue.get()));
    // All partitions are revoked on the way.
    while (!failed && !rd_kafka_consumer_closed(client.get()) && remaining_ms(deadline) > 0)
      if (const auto event = client.poll(milliseconds(100));
          event && rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_REBALANCE)
        rebalance(event.get());
  }

  ~state() { close(); }
};

consumer::consumer(std::unique_ptr<state> opened) : state_(std::move(opened)) {}
consumer::consumer(consumer&&) noexcept = default;
consumer& consumer::operator=(consumer&&) noexcept = default;
consumer::~consumer() = default;

result<consumer> consumer::open(const settings& settings, log_callback log) {
  auto conf = configure(settings);
  if (!conf)
    return tl::unexpected(conf.error());
  auto client = client::open(std::move(*conf), RD_KAFKA_CONSUMER, std::move(log));
  if (!client)
    return tl::unexpected(client.error());
  handle<rd_kafka_queue_t> commits(rd_kafka_queue_new(client->get()));
  auto made = std::make_unique<state>(settings.jobs_topic, std::move(*client), std::move(commits));
  const auto topics = made->list(std::vector{RD_KAFKA_PARTITION_UA});
  if (const auto code = rd_kafka_subscribe(made->client.get(), topics.get()))
    return tl::unexpected(made->client.explain(code, "subscribing to the topic " + settings.jobs_topic));
  return consumer(std::move(made));
}

consumer::happening consumer::poll(milliseconds limit) {
  return state_->closed ? happening{} : state_->poll(steady::now() + limit);
}

void consumer::pause() {
  if (!std::exchange(state_->paused, true))
    state_->set_paused(state_->assigned, true);
}

void consumer::forget_commits() {
  state_->unwritten.clear();
}

void consumer::resume() {
  if (std::exchange(state_->paused, false))
    state_->set_paused(state_->assigned, false);
}

void consumer::commit(const std::vector<position>& next) {
  for (const auto& at : next)
    if (state_->assigned.contains(at.partition))
      state_->unwritten[at.partition] = at.offset;
  state_->start_commit();
}

void consumer::close() {
  state_->close();
}

} // namespace vp::kafka
