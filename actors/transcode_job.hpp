#pragma once

#include "actors/interfaces.hpp"
#include "actors/rate.hpp"
#include "actors/retrier.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace vp {

struct transcode_job_config {
  std::string video_hash;
  /// Where the source arrives; null where it is whole.
  upload_session_actor upload;
  std::string source_path;
  /// This job as `process/job`, and where the process can be reached: whoever finds the claim live learns it.
  std::string owner;
  std::string url;
  media::encode_settings settings;
  caf::timespan claim_lifetime = std::chrono::seconds(30);
  caf::timespan renewal = std::chrono::seconds(10);
  /// Of requests to the catalog and of writing one segment.
  caf::timespan request_timeout = std::chrono::seconds(10);
  /// With the wait for an encoder.
  caf::timespan analyze_timeout = std::chrono::hours(1);
  /// Making every file of a long video durable.
  caf::timespan finish_timeout = std::chrono::minutes(10);
  /// Of each step of an orderly end.
  caf::timespan end_timeout = std::chrono::seconds(2);
  /// The job of an upload ends when nothing has come for so long and there is nothing to do; another begins with the
  /// next chunk.
  caf::timespan upload_idle = std::chrono::seconds(60);
  /// Wishes at once, of one viewer and of all.
  std::size_t viewer_wishes = 16;
  std::size_t wishes = 256;
  /// Between progress events.
  caf::timespan progress_interval = std::chrono::milliseconds(500);
  retry_policy retry;
};

/// Who started a job.
using finish_listener = caf::typed_actor<
    // It has ended.
    caf::reacts_to<finish_atom, job_outcome>>;

/// The job's own interface: time to try something again.
using transcode_job_impl = transcode_job_actor::extend<caf::reacts_to<retry_atom, std::uint64_t>>;

/// One video, from its claim to its end: claim, analyze (or continue with the plan that an earlier start kept), encode
/// what is not on disk, write the manifests, complete. It begins when it is spawned, ends with exactly one `finish` to
/// its listener, and takes its segmenter with it. An end without that message is a defect.
///
/// The job of an upload does the same with what has arrived, and claims the video once more when it is whole: only from
/// then on can the video fail or complete. What viewers wait for is encoded first.
///
/// Each write to the catalog names the claim. The first `stale` ends the job without a word: somebody else has it now.
class transcode_job_state {
public:
  static constexpr const char* name = "transcode job";
  using pointer = transcode_job_impl::stateful_pointer<transcode_job_state>;

  explicit transcode_job_state(pointer self) : self_(self) {}
  ~transcode_job_state();

  transcode_job_impl::behavior_type make_behavior(transcode_job_config config, catalog_actor catalog,
                                                  dispatcher_actor dispatcher, segmenter_actor segmenter,
                                                  finish_listener listener);

private:
  enum class stage : std::uint8_t { claiming, analyzing, opening, encoding, packaging, failing, ending };

  /// A cell's renditions.
  struct cell_work {
    media::segment cell;
    rendition_bits missing = 0; ///< are not stored
    rendition_bits storing = 0;
    rendition_bits ready = 0; ///< their bytes have arrived
  };

  using clock = caf::actor_clock::clock_type;

  /// A request to the catalog that names the claim; `then` takes the value. An error ends the job one way or the other.
  template <class R, class Then, class... Ts>
  void write(Then then, Ts... xs);

  void claim_video();
  void claimed(claimed_job& job);
  void follow_upload();
  void handle_arrival(const arrival& now);
  void become_whole();
  void tell_upload();
  bool is_there(const cell_part& what) const;
  rendition_bits ready_bits(const media::segment& cell) const;
  void note_ready();
  std::vector<time_span> arrived_spans() const;
  void find_out_why_not(const std::string& reason);
  void analyze();
  void look_if_due();
  std::uint64_t beginning_there() const;
  std::uint64_t bytes_there() const;
  media::arrival arrival_state() const;
  void look();
  void see(media::analysis found, const source_ref& in);
  void see_nothing(const caf::error& problem, const source_ref& in);
  void give_up(const std::string& why, const source_ref& in);
  void analyzed(media::analysis found, const source_ref& in);
  void keep_plan(const media::analysis& what, std::function<void()> then);
  void open(media::analysis what);
  void take_plan(const media::analysis& what);
  void keep_encoder();
  void start_encoding(const std::vector<stored_fragment>& kept);
  std::vector<cell_order> take_cells();
  bool goes_on(const media::analysis& found) const;
  void differs(const source_ref& in);
  void grow(media::analysis found, const source_ref& in);
  void grown(const media::analysis& what, const source_ref& in);
  void handle_result(const segment_result& what);
  void handle_stored(std::uint32_t number, rendition_bits which, const std::vector<stored_fragment>& fragments);
  void give_up_segment(std::uint32_t number, const error& why);
  void begin_again(const std::string& reason);
  void package_if_done();
  void fail_video(const std::string& reason);

  caf::result<std::uint64_t> wish(const fragment_wish& what);
  media::media_kind kind_of(const cell_part& what) const;
  clock::time_point due(const std::string& viewer, const cell_part& what, clock::time_point now);
  caf::result<void> await(std::uint64_t wish);
  void look_after_wishes();
  void refuse_wishes();
  void grant_wishes(std::uint32_t number, rendition_bits which);
  void rank_wishes();
  std::vector<cell_part> beginning() const;
  void handle_down(const caf::down_msg& down);

  void tick();
  void renew();
  void check_claim(const error& why);
  void publish();
  std::string phase() const;
  progress snapshot() const;

  void end(job_end how, std::string reason);
  void stop_segmenter();
  void release_claim();
  void tell_end();

  pointer self_;
  transcode_job_config config_;
  catalog_actor catalog_;
  dispatcher_actor dispatcher_;
  segmenter_actor segmenter_;
  finish_listener listener_;
  std::optional<retrier<pointer>> retrier_;

  stage stage_ = stage::claiming;
  std::optional<claim> claim_;
  source_ref source_;
  std::uint64_t file_size_ = 0;
  media::plan plan_;
  bool continues_ = false;        ///< what an earlier start has planned
  std::uint32_t plan_number_ = 0; ///< tells what belongs to this plan from what is left of the one before
  std::vector<media::segment> segments_;
  std::vector<rendition_progress> totals_; ///< in step with the plan's renditions
  std::vector<stored_fragment> known_fragments_;
  std::map<std::uint32_t, cell_work> cells_;              ///< by number
  std::map<std::string, std::set<std::uint32_t>> stored_; ///< numbers by rendition id
  std::vector<cell_part> running_;
  std::size_t unfinished_ = 0; ///< cells that are not stored

  bool whole_ = false;         ///< nothing of the source is still to come
  bool claimed_whole_ = false; ///< the claim is that of a whole video
  bool has_poster_ = false;
  std::vector<media::byte_range> present_; ///< of the source, in acknowledged chunks
  std::vector<media::byte_range> there_;   ///< with what has come of those that are on their way
  std::uint32_t reading_ = 0;              ///< of these; see `arrival`
  bool grows_ = false;                     ///< its beginning can be read
  bool told_ = false;                      ///< what is there of it
  bool looking_ = false;
  std::optional<std::uint64_t> looked_at_; ///< how many bytes there were, the last time
  clock::time_point looked_{};             ///< and when that ended
  caf::timespan look_took_{};
  clock::time_point moved_{}; ///< when anything last came or was stored

  /// What a viewer waits for.
  struct viewer_wish {
    std::uint64_t id = 0;
    std::string viewer;
    cell_part what;
    std::vector<caf::response_promise> answers;
    clock::time_point since{};
    clock::time_point due{}; ///< the viewer has played what it has by then
    bool can_wait = false;   ///< that was not soon when they were ranked
    bool asks_ahead = false; ///< it was more than a player's buffer away then
    bool is_there = false;   ///< its bytes were, also in chunks that were on their way
  };

  /// What a viewer has asked for, one segment after the other.
  struct viewing {
    media::media_kind kind = media::media_kind::video;
    std::uint32_t last = 0; ///< segment
    double from = 0;        ///< where that begins, seconds on the timeline
    clock::time_point due{};
  };
  std::vector<viewer_wish> wishes_;                     ///< the oldest first
  std::vector<media::byte_range> awaited_;              ///< of the file, by these
  bool viewers_wait_ = false;                           ///< for something urgent
  std::map<std::string, std::deque<viewing>> viewings_; ///< by viewer, the latest last
  std::uint64_t last_wish_ = 0;

  rate<clock> speed_{std::chrono::seconds(30)}; ///< seconds of media a second
  double seconds_left_ = 0;                     ///< of media
  bool changed_ = false;                        ///< since progress was published
  std::string published_phase_;
  clock::time_point published_{};
  clock::time_point renew_at_{};
  clock::time_point tick_at_{};

  job_outcome outcome_;
  bool segmenter_stopped_ = false;
  std::vector<caf::response_promise> cancellers_;
};

transcode_job_impl::behavior_type transcode_job(transcode_job_state::pointer self, transcode_job_config config,
                                                catalog_actor catalog, dispatcher_actor dispatcher,
                                                segmenter_actor segmenter, finish_listener listener);

} // namespace vp
