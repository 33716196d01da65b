#pragma once

#include "actors/node_interfaces.hpp"

#include <caf/all.hpp>

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace vp {

struct worker_slot_config {
  source_reader_actor reader;
  session_manager_actor sessions; ///< of uploads that are read while they arrive
  dispatcher_actor dispatcher;
  /// How long it waits, when a worker is lost, for its successor to tell how its process ended.
  caf::timespan verdict_wait = std::chrono::seconds(3);
  /// What a worker may take for a task, on the way too. Longer than its own limits, and shorter than the dispatcher's
  /// patience.
  worker_limits task_limits{std::chrono::seconds(320), std::chrono::seconds(320)};
  /// What the disk may take for a block, or an upload until it is there; shorter than a worker's patience.
  caf::timespan read_timeout = std::chrono::seconds(50);
  /// How long an analysis may wait for an upload altogether: an encoder that waits does nothing for others.
  caf::timespan analysis_patience = std::chrono::seconds(10);
  /// Bytes of a result. A segment's worth of all renditions is a few MiB.
  std::size_t max_result = std::size_t{128} << 20U;
  /// How long a result may wait for the bytes that it was made of to be acknowledged.
  caf::timespan acknowledgement = std::chrono::seconds(5);
  caf::timespan drain_timeout = std::chrono::seconds(5);
  /// How long a worker that has just joined may be silent.
  caf::timespan probe_timeout = std::chrono::seconds(10);
};

/// The slot's own interface.
using worker_slot_impl = worker_slot_actor::extend<
    // The successor has not come.
    caf::reacts_to<tick_atom>,
    // The time of this task is over.
    caf::reacts_to<tick_atom, std::uint64_t>>;

/// An encoder whose work is done by a worker at the other end of a link: gives it its tasks and the blocks of their
/// sources, no others, and puts their results together. Ends with its worker.
///
/// When the worker is lost in the middle of a task, the task ends as lost, or as `crashed` when the worker's successor
/// tells in time that the process ended by its own doing. A worker that does not come to an end with a task is lost
/// too, and its process told to begin anew. Nothing that comes later about a task is looked at.
///
/// A task whose source has a `reading` may read what is not acknowledged, as far as its segment is made of it; its
/// result is held until all of that is, with the same reading. Otherwise the task fails.
class worker_slot_state {
public:
  static constexpr const char* name = "worker slot";
  using pointer = worker_slot_impl::stateful_pointer<worker_slot_state>;

  explicit worker_slot_state(pointer self) : self_(self) {}

  worker_slot_impl::behavior_type make_behavior(worker_slot_config config, worker_actor worker);

private:
  struct task {
    std::uint64_t id = 0;
    source_ref source;
    bool is_analysis = false;
    caf::response_promise answer;
    std::vector<char> result;    ///< as far as it has come
    media::byte_range present{}; ///< of a source that arrives: what is known to be there
    media::byte_range needed{};  ///< of this it may read what is not acknowledged
    bool is_held = false;        ///< its worker has done it
    bool is_cancelled = false;
    std::optional<caf::actor_clock::time_point> waits_until{}; ///< an analysis, from its first wait on
  };

  template <class R, class Atom, class Task>
  caf::result<R> begin(Atom what, Task& wanted);

  caf::result<bytes> read(std::uint64_t id, std::uint64_t offset, std::uint32_t length);
  void await(std::uint64_t id, media::byte_range wanted, caf::typed_response_promise<bytes> answer);
  template <class Then, class Failed>
  void ask_session(media::byte_range wanted, bool acknowledged, caf::timespan limit, Then then, Failed failed);
  caf::timespan patience();
  void read_file(const std::string& path, media::byte_range wanted, caf::typed_response_promise<bytes> answer);
  caf::result<void> append(std::uint64_t id, const bytes& piece);
  void finish(std::uint64_t id);
  void hold(std::uint64_t id);
  void hand_over(std::uint64_t id);
  void fail(std::uint64_t id, const caf::error& why);
  void expire(std::uint64_t id);
  void probe();
  void worker_down(caf::error why);
  void judge(const std::string& how, bool counts);
  std::optional<task> take(std::uint64_t id);

  pointer self_;
  worker_slot_config config_;
  worker_actor worker_;
  std::optional<task> task_;
  std::uint64_t last_id_ = 0;
  bool alone_ = false; ///< the worker has ended, and what it did last is still held
};

worker_slot_impl::behavior_type worker_slot(worker_slot_state::pointer self, worker_slot_config config,
                                            worker_actor worker);

} // namespace vp
