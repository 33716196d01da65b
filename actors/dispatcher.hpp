#pragma once

#include "actors/interfaces.hpp"
#include "actors/order.hpp"
#include "actors/rate.hpp"
#include "actors/transcode_metrics.hpp"

#include <caf/all.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace vp {

struct dispatcher_config {
  /// How long an encoder may take. Longer than its own limits, for it should notice first: one that is silent for so
  /// long is taken for lost.
  caf::timespan segment_timeout = std::chrono::seconds(330);
  caf::timespan analyze_timeout = std::chrono::seconds(330); ///< besides `time_to_read`
  /// How often a task is tried again after an encoder failed at it.
  std::uint32_t retries = 3;
  /// How often a task may lose its encoder, for reasons from outside.
  std::uint32_t losses = 10;
  /// How many processes a task may end by what it does to them. After the first one it is given to a fresh process
  /// only.
  std::uint32_t crashes = 2;
  /// So long after such an end a fresh process is expected to come by itself.
  caf::timespan fresh_wait = std::chrono::seconds(5);
  /// An encoder stays for so many adjacent segments of a video while others wait.
  std::uint32_t run = 4;
  /// Segments that are started and not stored: of one video as many as there are encoders, and so many more; of all
  /// videos twice that.
  std::uint32_t slack = 2;
  /// So long after somebody waited for a fragment one encoder is kept free for the next one, where there are several
  /// and none is there for viewers alone.
  caf::timespan watching = std::chrono::seconds(15);
  /// How long an encoder is left alone that says it is busy with somebody else's task.
  caf::timespan rest = std::chrono::seconds(1);
  std::shared_ptr<transcode_metrics> metrics = std::make_shared<transcode_metrics>();
};

/// The dispatcher's own interface.
using dispatcher_impl = dispatcher_actor::extend<
    // An encoder has rested.
    caf::reacts_to<tick_atom, encoder_id>,
    // It is time to look for a fresh encoder.
    caf::reacts_to<tick_atom>,
    // It is time to see whether anybody still watches.
    caf::reacts_to<watch_atom>>;

/// Gives each encoder one task at a time: analyses first, then what viewers wait for, then all other segments. So that
/// a seek does not have to wait until a whole segment is done, some encoders do nothing but what viewers wait for, and
/// the last free one of these nothing but seeks and sound; where there are none, another one is kept free while
/// somebody watches. Of the videos, the one with the fewest tasks running comes next, and among those the one that has
/// waited longest; of its segments, the one that `order` says.
///
/// A task ends once: with its encoder's answer, with the encoder's end, or with the time-out. What comes later is not
/// looked at.
class dispatcher_state {
public:
  static constexpr const char* name = "dispatcher";
  using pointer = dispatcher_impl::stateful_pointer<dispatcher_state>;

  explicit dispatcher_state(pointer self) : self_(self) {}

  dispatcher_impl::behavior_type make_behavior(dispatcher_config config);

private:
  struct analysis {
    analyze_task task;
    caf::response_promise answer;
    std::uint32_t failures = 0;
    std::uint32_t losses = 0;
    std::uint32_t crashes = 0;
    std::set<std::string> too_slow; ///< nodes that did not come to an end with it
  };

  struct video_order {
    vp::order order;
    order_listener listener;
    std::uint64_t generation = 0;  ///< tells an order from the one that it replaced
    std::uint64_t last_served = 0; ///< grows with every task given out
  };

  /// What an encoder does: an analysis, or one segment of an order.
  struct assignment {
    std::uint64_t id = 0;
    std::string video_hash;
    std::optional<vp::dispatcher_state::analysis> analysis;
    std::uint64_t generation = 0;
    vp::order::part part{};
    std::uint32_t segment = 0;
    bool unwanted = false;     ///< its order was closed or replaced
    bool interrupted = false;  ///< to begin anew, behind something urgent
    std::uint32_t reading = 0; ///< of its source, where that is still on its way
    caf::actor_clock::time_point since{};
  };

  struct worker {
    encoder_actor handle;
    encoder_info where;
    std::optional<assignment> task;
    bool resting = false;
    bool drained = false;
    bool fresh = true;     ///< has done nothing yet
    bool renewing = false; ///< was told to make place for a fresh one
    std::string video;     ///< where its decoder stands
    std::uint32_t run = 0; ///< adjacent segments done there, one after the other
    std::uint64_t segments = 0;
    std::uint64_t failures = 0;
    vp::rate<caf::actor_clock::clock_type> rate{std::chrono::minutes(1)};
  };

  using workers_map = std::map<encoder_id, worker>;

  /// What of an order an encoder may be given.
  using finder = std::function<std::optional<vp::order::part>(const vp::order&)>;

  void enlist(const encoder_actor& encoder, const encoder_info& where);
  caf::result<std::uint32_t> drain(const std::string& node);
  void drain(const encoder_actor& encoder);
  void open(job_order what, const order_listener& listener);
  void close(const std::string& video_hash);
  void drop_order(const std::string& video_hash);
  void settle(const std::string& video_hash);
  void handle_down(const caf::actor_addr& whom, const caf::error& why);

  void dispatch();
  bool give_task(encoder_id id, worker& who, const std::vector<video_order*>& open);
  bool give_wish(encoder_id id, worker& who, const finder& find);
  void give_on_demand(encoder_id id, worker& who);
  bool give_preview_analysis(encoder_id id, worker& who);
  bool is_alone(encoder_id id, const worker& who) const;
  void tell_running(const std::string& video_hash);
  bool give_analysis(encoder_id id, worker& who);
  bool may_do(const worker& who, const analysis& what) const;
  bool is_free(const worker& who) const;
  void note(encoder_id id, const worker& who);
  std::vector<video_order*> open_orders();
  static void sort_by_turn(std::vector<video_order*>& orders);
  void make_way();
  const vp::order* order_of(const assignment& task) const;
  bool holds_back_seeker(const assignment& task) const;
  void drop_unwanted();
  void interrupt(encoder_id id, worker& who);
  void note_viewers();
  void look_for_viewers();
  bool is_last_free(encoder_id id) const;
  void look_for_fresh();
  void expect_fresh();
  std::size_t ordinary() const;
  std::size_t on_demand() const;
  std::size_t free_on_demand() const;
  std::size_t soon_free() const;
  bool keeps_last() const;
  bool has_wishes() const;
  bool has_credit(const video_order& x) const;
  bool full() const;
  bool start(encoder_id id, worker& who, const std::deque<analysis>::iterator& next);
  void start(encoder_id id, worker& who, video_order& x, const vp::order::part& what);
  void assign(encoder_id id, worker& who, assignment task);
  void leave(encoder_id id, worker& who);

  std::optional<assignment> take_task(encoder_id id, std::uint64_t task);
  void succeed(encoder_id id, std::uint64_t task, const media::analysis& answer);
  void succeed(encoder_id id, std::uint64_t task, const segment_result& answer);
  void fail(encoder_id id, std::uint64_t task, const caf::error& problem);
  void fail_segment(const assignment& task, encoder_id id, const caf::error& problem);
  void fail_analysis(encoder_id id, assignment task, const caf::error& problem);
  void count_failure(worker& who);
  void lose(encoder_id id, const caf::error& why);
  worker remove(encoder_id id);
  void lose_task(assignment task, encoder_id id);
  void crash(encoder_id id, std::uint64_t task, const caf::error& why);

  dispatcher_status status() const;

  pointer self_;
  dispatcher_config config_;
  workers_map workers_;
  std::set<encoder_id> idle_;                     ///< those that could get a task
  std::set<encoder_id> on_demand_;                ///< those for what viewers wait for
  std::set<std::string> drained_runs_;            ///< of nodes
  caf::actor_clock::time_point fresh_expected_{}; ///< until then one comes by itself
  bool watched_ = false;                          ///< somebody has wished for something lately
  caf::actor_clock::time_point watched_until_{};
  std::deque<analysis> analyses_;
  std::map<std::string, video_order> orders_;
  std::multimap<std::string, caf::response_promise> closing_; ///< by video, waiting for encoders to let go
  encoder_id last_encoder_ = 0;
  std::uint64_t last_id_ = 0; ///< of tasks and generations
  std::uint64_t served_ = 0;
};

dispatcher_impl::behavior_type dispatcher(dispatcher_state::pointer self, dispatcher_config config);

} // namespace vp
