#pragma once

#include "actors/bytes.hpp"
#include "media/types.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What the actors tell each other. Plain values; every one crosses a network as it is
/// (serialization.hpp).
namespace vp {

// -- videos -----------------------------------------------------------------------------------------------------------

/// Whether `text` is 64 lower-case hex digits: the only names that ever become a path.
bool is_video_hash(std::string_view text) noexcept;

enum class video_status : std::uint8_t { uploading, queued, processing, completed, failed };

/// As the HTTP interface spells it.
const char* to_string(video_status status) noexcept;
std::optional<video_status> parse_status(std::string_view text) noexcept;

/// Segments with adjacent numbers.
struct segment_run {
  std::uint32_t first = 0;
  std::uint32_t last = 0;

  friend bool operator==(const segment_run&, const segment_run&) = default;
};

/// How far one rendition is.
struct rendition_progress {
  std::string name; ///< `720p`, `audio`
  std::uint32_t done = 0;
  std::uint32_t total = 0;
  std::vector<segment_run> ready;     ///< what is there
  std::vector<std::uint32_t> running; ///< what is being encoded
  bool copied = false;                ///< the source's own pictures, so it is there soon

  friend bool operator==(const rendition_progress&, const rendition_progress&) = default;
};

/// A part of the timeline, in seconds.
struct time_span {
  double from = 0;
  double to = 0;

  friend bool operator==(const time_span&, const time_span&) = default;
};

/// How far a job is. `eta_seconds` is below 0 while there is nothing to base it on.
struct progress {
  std::string phase; ///< `analyzing`, `encoding`, `packaging`
  std::uint32_t segments_done = 0;
  std::uint32_t segments_total = 0; ///< 0 before there are manifests
  std::vector<rendition_progress> renditions;
  double eta_seconds = -1;
  std::vector<time_span> arrived; ///< of an upload: what the server has the bytes of

  friend bool operator==(const progress&, const progress&) = default;
};

/// Whether there are manifests, so that a video can be watched, though not all of it may be there.
bool is_playable(video_status status, const progress& now) noexcept;

/// One video as the catalog knows it.
struct video {
  std::int64_t id = 0;
  std::string hash; ///< 64 hex digits
  std::string title;
  std::string description;
  std::string mime_type; ///< what the client said
  std::string fingerprint;
  std::uint64_t file_size = 0;
  std::uint32_t total_chunks = 0;
  std::uint32_t received_chunks = 0;
  std::uint64_t chunk_size = 0; ///< bytes of every chunk but the last; 0 while unknown
  video_status status = video_status::uploading;
  std::string error;          ///< why it failed, or a warning about a completed one; for people
  std::uint32_t attempts = 0; ///< starts since a fragment was last stored
  std::uint32_t uploads = 0;  ///< how often its upload was begun anew: what was made of an earlier one is another thing
  int width = 0;              ///< upright, square pixels; 0 while unknown and for audio alone
  int height = 0;
  double duration = 0; ///< seconds
  std::string codec;
  std::string actual_mime_type;
  bool has_poster = false;
  vp::progress progress;
  std::string created_at; ///< RFC 3339, UTC
  std::string updated_at;

  friend bool operator==(const video&, const video&) = default;
};

// -- uploads ----------------------------------------------------------------------------------------------------------

/// `POST /videos/init`, checked for form by the HTTP layer and for sense by the session manager.
struct upload_request {
  std::string title;
  std::string description;
  std::string mime_type;
  std::string fingerprint;
  std::uint64_t file_size = 0;
  std::uint32_t total_chunks = 0;
  std::uint64_t chunk_size = 0; ///< 0: not said

  friend bool operator==(const upload_request&, const upload_request&) = default;
};

/// The answer to it. `resumable` is false once all the bytes are there and no chunk is wanted any more.
struct upload_state {
  vp::video video;
  bool resumable = false;
  std::vector<std::uint32_t> uploaded_chunks;
};

/// The right to write one chunk. While it is held nobody else writes this index. It lapses when it is not used for
/// `upload_session`'s ticket time-out.
struct chunk_ticket {
  std::uint64_t id = 0;
  bool present = false;       ///< acknowledged before: read the body, drop it, and call it received
  std::uint64_t max_size = 0; ///< bytes; a longer body is an error

  friend bool operator==(const chunk_ticket&, const chunk_ticket&) = default;
};

struct chunk_receipt {
  std::string video_hash;
  std::uint32_t chunk_index = 0;
  std::uint64_t chunk_size = 0; ///< bytes of this chunk
  std::uint32_t received_chunks = 0;
  std::uint32_t total_chunks = 0;
  std::vector<std::uint32_t> wanted_chunks; ///< missing ones that somebody waits for, the most urgent first

  friend bool operator==(const chunk_receipt&, const chunk_receipt&) = default;
};

/// What of an upload is there.
struct arrival {
  std::vector<media::byte_range> present; ///< ascending, with gaps between them
  bool whole = false;                     ///< and finalized: no byte is missing, and the video is queued
  bool grows = false; ///< while it is not whole, its beginning can be read as a shorter file (see media/growing.hpp)
  /// Ascending: what has come of chunks that are still on their way.
  std::vector<media::byte_range> arriving{};
  /// Names these, and is never 0: another number once such a chunk has ended before it was whole, and may come
  /// otherwise.
  std::uint32_t reading = 1;

  friend bool operator==(const arrival&, const arrival&) = default;
};

// -- queue and events -----------------------------------------------------------------------------

/// A message of the job queue. `id` is the queue's own.
struct job {
  std::uint64_t id = 0;
  std::string video_hash;

  friend bool operator==(const job&, const job&) = default;
};

/// Something that happened to a video. `data` is a JSON object and the same everywhere: in Server-Sent Events and in
/// Kafka.
struct event {
  std::uint64_t id = 0;
  std::string video_hash;
  std::string kind; ///< created, chunk, queued, started, progress, completed, failed, deleted
  std::string data;

  friend bool operator==(const event&, const event&) = default;
};

/// A row of the outbox that Kafka has not seen yet.
struct outbox_row {
  std::uint64_t id = 0;
  bool is_job = false; ///< else an event
  std::string video_hash;
  std::string kind; ///< of an event
  std::string data; ///< of an event, JSON

  friend bool operator==(const outbox_row&, const outbox_row&) = default;
};

/// What is to be published next, in id order.
struct publication {
  std::vector<outbox_row> rows;
  std::uint64_t waiting = 0; ///< rows that are not published, these among them
};

/// A message of Kafka's job topic that can't be done, on its way to the dead letters.
struct refused_job {
  std::string key;
  std::string value;      ///< as it came, maybe cut
  std::uint64_t size = 0; ///< bytes that the value had
  std::string reason;     ///< for people
  std::uint32_t attempts = 0;
  std::string origin; ///< topic/partition/offset
  std::string time;   ///< RFC 3339, UTC

  friend bool operator==(const refused_job&, const refused_job&) = default;
};

/// Whether the job queue works, for people and for `/readyz`. Uploads go on without it.
struct queue_status {
  std::string kind; ///< `embedded`, `kafka`
  bool ok = true;
  std::string detail;            ///< why not
  std::uint64_t unpublished = 0; ///< rows of the outbox that wait for Kafka

  friend bool operator==(const queue_status&, const queue_status&) = default;
};

// -- jobs -------------------------------------------------------------------------------------------------------------

/// The right to work on a video. Every write of a job names it, and nothing is written once the epoch has moved on.
struct claim {
  std::string video_hash;
  std::string owner;
  std::uint64_t epoch = 0;

  friend bool operator==(const claim&, const claim&) = default;
};

/// A fragment that is on disk, as the database remembers it.
struct stored_fragment {
  std::string rendition; ///< id
  std::uint32_t segment = 0;
  std::int64_t start = 0;
  std::int64_t duration = 0;
  std::uint64_t size = 0; ///< bytes

  friend bool operator==(const stored_fragment&, const stored_fragment&) = default;
};

/// What a job starts from: its claim, the video, and what earlier starts left.
struct claimed_job {
  vp::claim claim;
  vp::video video;
  bool planned = false;
  media::plan plan;                     ///< when `planned`
  std::vector<media::segment> segments; ///< when `planned`
  std::vector<stored_fragment> fragments;
};

/// Where encoders find a source.
struct source_ref {
  std::string video_hash;
  std::string path; ///< on the server
  std::uint64_t size = 0;
  std::uint64_t version = 0; ///< its claim's epoch: what is known of an earlier start's source may not be true of it
  /// How much of it there was when somebody began with it: what is not there yet is waited for, and where it grows
  /// `size` is that of its beginning.
  media::arrival state = media::arrival::whole;
  /// Not 0: what has come of chunks that are still on their way will do, and this is the `arrival::reading` of it.
  std::uint32_t reading = 0;

  bool arriving() const { return state != media::arrival::whole; }
  bool grows() const { return state == media::arrival::growing; }

  friend bool operator==(const source_ref&, const source_ref&) = default;
};

struct analyze_task {
  source_ref source;
  media::encode_settings settings;
};

/// Some renditions of a plan: a bit for each, in the plan's order, and behind them one for the poster.
using rendition_bits = std::uint32_t;

/// Some renditions of one cell.
struct cell_part {
  std::uint32_t segment = 0;
  rendition_bits renditions = 0;

  friend bool operator==(const cell_part&, const cell_part&) = default;
};

/// What viewers of a video wait for, the most urgent first.
struct viewer_needs {
  std::vector<cell_part> urgent;  ///< one of them can't go on without
  std::vector<cell_part> later;   ///< they have something to play until then
  std::uint32_t sought = 0;       ///< the first so many of the urgent: where somebody has just begun or sought to
  std::uint32_t soon = 0;         ///< the first so many of the later ones: what a player asks for that plays on
  std::vector<cell_part> early{}; ///< of the urgent ones, those whose bytes are there with what is still on its way
  std::uint32_t reading = 0;      ///< of these bytes
};

/// One segment of the timeline for a set of renditions (ids).
struct segment_task {
  source_ref source;
  media::plan plan;
  media::segment cell;
  std::vector<std::string> renditions;
};

struct encoded_fragment {
  std::string rendition;
  std::uint32_t segment = 0;
  std::int64_t start = 0;
  std::int64_t duration = 0;
  std::uint32_t frames = 0;
  bytes data;
};

struct segment_result {
  std::string video_hash;
  std::uint32_t segment = 0;
  std::vector<encoded_fragment> fragments;
  std::uint64_t decoded_frames = 0; ///< that it took, with those that a seek threw away
};

/// What is still to be made of one cell.
struct cell_order {
  media::segment cell;
  rendition_bits wanted = 0;
  rendition_bits ready = ~rendition_bits{0}; ///< those whose source bytes are there
};

/// What a job wants encoded. A job opens this once with the dispatcher and gets its results as they come.
struct job_order {
  source_ref source;
  media::plan plan;
  std::vector<cell_order> cells; ///< in presentation order
  std::vector<cell_part> first;  ///< what comes before all but viewers' wishes
};

/// A fragment that a viewer has asked for and that is not there.
struct fragment_wish {
  std::string video_hash;
  std::string rendition; ///< id
  std::uint32_t segment = 0;
  std::string viewer; ///< tells one from the other; for people

  friend bool operator==(const fragment_wish&, const fragment_wish&) = default;
};

enum class job_end : std::uint8_t { completed, failed, cancelled, busy, put_back, not_yet };

/// How a transcode job ended, for whoever started it. `busy`: another owner's claim is live. `not_yet`: nothing can be
/// done before the upload is whole.
struct job_outcome {
  std::string video_hash;
  job_end end = job_end::completed;
  std::string reason;
};

/// Where an encoder is.
struct encoder_info {
  std::string node;       ///< a name for people
  std::uint32_t slot = 0; ///< of the node's, from 1
  std::string run;        ///< names this start of the node among all others
  bool on_demand = false; ///< only for what viewers wait for

  friend bool operator==(const encoder_info&, const encoder_info&) = default;
};

struct encoder_status {
  encoder_info where;
  bool drained = false; ///< gets no more tasks
  bool busy = false;
  bool analyzing = false;    ///< busy with a look at a source, and with no segment
  std::string video_hash;    ///< while busy
  std::uint32_t segment = 0; ///< while busy with one
  std::uint64_t segments = 0;
  std::uint64_t failures = 0;
  double segments_per_second = 0; ///< of late; 0 while there is nothing to base it on
};

struct dispatcher_status {
  std::vector<encoder_status> encoders;
  std::uint32_t jobs = 0;
  std::uint32_t segments_waiting = 0;
};

} // namespace vp
