#pragma once

#include "actors/serialization.hpp"

#include <caf/all.hpp>

/// Every actor's typed interface. An actor answers a request within the deadline that the request carries, with a value
/// or with an error of category "vp" (see actors/error.hpp); none throws and none but the detached ones blocks.

CAF_BEGIN_TYPE_ID_BLOCK(vidpipeline, caf::first_custom_type_id)

CAF_ADD_TYPE_ID(vidpipeline, (vp::bytes))
CAF_ADD_TYPE_ID(vidpipeline, (vp::video_status))
CAF_ADD_TYPE_ID(vidpipeline, (vp::segment_run))
CAF_ADD_TYPE_ID(vidpipeline, (vp::time_span))
CAF_ADD_TYPE_ID(vidpipeline, (vp::rendition_progress))
CAF_ADD_TYPE_ID(vidpipeline, (vp::progress))
CAF_ADD_TYPE_ID(vidpipeline, (vp::video))
CAF_ADD_TYPE_ID(vidpipeline, (std::vector<vp::video>))
CAF_ADD_TYPE_ID(vidpipeline, (vp::upload_request))
CAF_ADD_TYPE_ID(vidpipeline, (vp::upload_state))
CAF_ADD_TYPE_ID(vidpipeline, (vp::chunk_ticket))
CAF_ADD_TYPE_ID(vidpipeline, (vp::chunk_receipt))
CAF_ADD_TYPE_ID(vidpipeline, (vp::arrival))
CAF_ADD_TYPE_ID(vidpipeline, (vp::job))
CAF_ADD_TYPE_ID(vidpipeline, (std::vector<vp::job>))
CAF_ADD_TYPE_ID(vidpipeline, (vp::event))
CAF_ADD_TYPE_ID(vidpipeline, (std::vector<vp::event>))
CAF_ADD_TYPE_ID(vidpipeline, (vp::outbox_row))
CAF_ADD_TYPE_ID(vidpipeline, (std::vector<vp::outbox_row>))
CAF_ADD_TYPE_ID(vidpipeline, (vp::publication))
CAF_ADD_TYPE_ID(vidpipeline, (vp::refused_job))
CAF_ADD_TYPE_ID(vidpipeline, (vp::queue_status))
CAF_ADD_TYPE_ID(vidpipeline, (vp::claim))
CAF_ADD_TYPE_ID(vidpipeline, (vp::stored_fragment))
CAF_ADD_TYPE_ID(vidpipeline, (std::vector<vp::stored_fragment>))
CAF_ADD_TYPE_ID(vidpipeline, (vp::claimed_job))
CAF_ADD_TYPE_ID(vidpipeline, (vp::source_ref))
CAF_ADD_TYPE_ID(vidpipeline, (vp::analyze_task))
CAF_ADD_TYPE_ID(vidpipeline, (vp::segment_task))
CAF_ADD_TYPE_ID(vidpipeline, (vp::encoded_fragment))
CAF_ADD_TYPE_ID(vidpipeline, (vp::segment_result))
CAF_ADD_TYPE_ID(vidpipeline, (vp::cell_part))
CAF_ADD_TYPE_ID(vidpipeline, (vp::viewer_needs))
CAF_ADD_TYPE_ID(vidpipeline, (std::vector<vp::cell_part>))
CAF_ADD_TYPE_ID(vidpipeline, (vp::cell_order))
CAF_ADD_TYPE_ID(vidpipeline, (vp::job_order))
CAF_ADD_TYPE_ID(vidpipeline, (vp::fragment_wish))
CAF_ADD_TYPE_ID(vidpipeline, (vp::job_end))
CAF_ADD_TYPE_ID(vidpipeline, (vp::job_outcome))
CAF_ADD_TYPE_ID(vidpipeline, (vp::encoder_info))
CAF_ADD_TYPE_ID(vidpipeline, (vp::encoder_status))
CAF_ADD_TYPE_ID(vidpipeline, (vp::dispatcher_status))
CAF_ADD_TYPE_ID(vidpipeline, (vp::media::byte_range))
CAF_ADD_TYPE_ID(vidpipeline, (std::vector<vp::media::byte_range>))
CAF_ADD_TYPE_ID(vidpipeline, (vp::media::segment))
CAF_ADD_TYPE_ID(vidpipeline, (std::vector<vp::media::segment>))
CAF_ADD_TYPE_ID(vidpipeline, (vp::media::init_segment))
CAF_ADD_TYPE_ID(vidpipeline, (vp::media::encode_settings))
CAF_ADD_TYPE_ID(vidpipeline, (vp::media::plan))
CAF_ADD_TYPE_ID(vidpipeline, (vp::media::analysis))
CAF_ADD_TYPE_ID(vidpipeline, (std::vector<std::uint32_t>))
CAF_ADD_TYPE_ID(vidpipeline, (std::vector<std::string>))

CAF_ADD_ATOM(vidpipeline, vp, abort_atom, "abort")
CAF_ADD_ATOM(vidpipeline, vp, ack_atom, "ack")
CAF_ADD_ATOM(vidpipeline, vp, analyze_atom, "analyze")
CAF_ADD_ATOM(vidpipeline, vp, arrive_atom, "arrive")
CAF_ADD_ATOM(vidpipeline, vp, await_atom, "await")
CAF_ADD_ATOM(vidpipeline, vp, begin_atom, "begin")
CAF_ADD_ATOM(vidpipeline, vp, cancel_atom, "cancel")
CAF_ADD_ATOM(vidpipeline, vp, chunk_atom, "chunk")
CAF_ADD_ATOM(vidpipeline, vp, claim_atom, "claim")
CAF_ADD_ATOM(vidpipeline, vp, close_atom, "close")
CAF_ADD_ATOM(vidpipeline, vp, complete_atom, "complete")
CAF_ADD_ATOM(vidpipeline, vp, dead_atom, "dead")
CAF_ADD_ATOM(vidpipeline, vp, deliver_atom, "deliver")
CAF_ADD_ATOM(vidpipeline, vp, drain_atom, "drain")
CAF_ADD_ATOM(vidpipeline, vp, encode_atom, "encode")
CAF_ADD_ATOM(vidpipeline, vp, end_atom, "end")
CAF_ADD_ATOM(vidpipeline, vp, enqueue_atom, "enqueue")
CAF_ADD_ATOM(vidpipeline, vp, events_atom, "events")
CAF_ADD_ATOM(vidpipeline, vp, expire_atom, "expire")
CAF_ADD_ATOM(vidpipeline, vp, fail_atom, "fail")
CAF_ADD_ATOM(vidpipeline, vp, finalize_atom, "finalize")
CAF_ADD_ATOM(vidpipeline, vp, finish_atom, "finish")
CAF_ADD_ATOM(vidpipeline, vp, get_atom, "get")
CAF_ADD_ATOM(vidpipeline, vp, grow_atom, "grow")
CAF_ADD_ATOM(vidpipeline, vp, init_atom, "init")
CAF_ADD_ATOM(vidpipeline, vp, jobs_atom, "jobs")
CAF_ADD_ATOM(vidpipeline, vp, last_atom, "last")
CAF_ADD_ATOM(vidpipeline, vp, later_atom, "later")
CAF_ADD_ATOM(vidpipeline, vp, list_atom, "list")
CAF_ADD_ATOM(vidpipeline, vp, listen_atom, "listen")
CAF_ADD_ATOM(vidpipeline, vp, missing_atom, "missing")
CAF_ADD_ATOM(vidpipeline, vp, next_atom, "next")
CAF_ADD_ATOM(vidpipeline, vp, open_atom, "open")
CAF_ADD_ATOM(vidpipeline, vp, orphans_atom, "orphans")
CAF_ADD_ATOM(vidpipeline, vp, outbox_atom, "outbox")
CAF_ADD_ATOM(vidpipeline, vp, plan_atom, "plan")
CAF_ADD_ATOM(vidpipeline, vp, preview_atom, "preview")
CAF_ADD_ATOM(vidpipeline, vp, progress_atom, "progress")
CAF_ADD_ATOM(vidpipeline, vp, publish_atom, "publish")
CAF_ADD_ATOM(vidpipeline, vp, ready_atom, "ready")
CAF_ADD_ATOM(vidpipeline, vp, register_atom, "register")
CAF_ADD_ATOM(vidpipeline, vp, release_atom, "release")
CAF_ADD_ATOM(vidpipeline, vp, remove_atom, "remove")
CAF_ADD_ATOM(vidpipeline, vp, renew_atom, "renew")
CAF_ADD_ATOM(vidpipeline, vp, result_atom, "result")
CAF_ADD_ATOM(vidpipeline, vp, retry_atom, "retry")
CAF_ADD_ATOM(vidpipeline, vp, session_atom, "session")
CAF_ADD_ATOM(vidpipeline, vp, status_atom, "status")
CAF_ADD_ATOM(vidpipeline, vp, store_atom, "store")
CAF_ADD_ATOM(vidpipeline, vp, subscribe_atom, "subscribe")
CAF_ADD_ATOM(vidpipeline, vp, tick_atom, "tick")
CAF_ADD_ATOM(vidpipeline, vp, want_atom, "want")
CAF_ADD_ATOM(vidpipeline, vp, watch_atom, "watch")
CAF_ADD_ATOM(vidpipeline, vp, wish_atom, "wish")
CAF_ADD_ATOM(vidpipeline, vp, write_atom, "write")

CAF_END_TYPE_ID_BLOCK(vidpipeline)

namespace vp {

// -- the catalog ----------------------------------------------------------------------------------

/// Whoever wants to know that rows were added to the outbox. It then reads them at its own pace.
using outbox_listener = caf::typed_actor<
    // The outbox has grown.
    caf::reacts_to<outbox_atom>>;

/// The only owner of the database. Detached. Every clause is one transaction; what names a claim changes nothing and
/// answers `stale` once its epoch has moved on.
using catalog_actor = caf::typed_actor<
    // Tells `listener` after each transaction that adds to the outbox, until it ends.
    caf::reacts_to<listen_atom, outbox_listener>,
    // Creates the video with this hash, or finds it. A failed one is begun again. Event `created`.
    caf::replies_to<open_atom, std::string, upload_request>::with<video>,
    // One video, or `not_found`.
    caf::replies_to<get_atom, std::string>::with<video>,
    // All videos, newest first.
    caf::replies_to<list_atom>::with<std::vector<video>>,
    // The chunks that were acknowledged, ascending.
    caf::replies_to<chunk_atom, std::string>::with<std::vector<std::uint32_t>>,
    // Records a chunk: hash, the video's id, index, and the chunk size where it is known by now (else 0). Again is
    // harmless. `overloaded` where the video was deleted and begun anew, with another id. Thinned event `chunk`.
    caf::replies_to<chunk_atom, std::string, std::int64_t, std::uint32_t, std::uint64_t>::with<video>,
    // One video, and whether this chunk of it was acknowledged.
    caf::replies_to<get_atom, std::string, std::uint32_t>::with<video, bool>,
    // Settles the chunk size of the upload with this hash and id, and answers it: another one where it was known.
    caf::replies_to<chunk_atom, std::string, std::int64_t, std::uint64_t>::with<std::uint64_t>,
    // All chunks are there and the source is fsynced: `queued`, with a job in the outbox. Again is harmless. Event
    // `queued`.
    caf::replies_to<finalize_atom, std::string>::with<video>,
    // A failed video is queued once more, its attempts forgotten. `conflict` in any other state.
    caf::replies_to<retry_atom, std::string>::with<video>,
    // Forgets a video and takes its files out of sight; to remove them is the caller's. Event `deleted`.
    caf::replies_to<remove_atom, std::string>::with<void>,
    // The same with uploads that nothing has arrived for since so long; answers their hashes.
    caf::replies_to<expire_atom, caf::timespan>::with<std::vector<std::string>>,

    // Starts a job: hash, owner (`process/job`), the process's URL, how long the claim lives. Counts the start, once
    // for one owner. `conflict` while another process's claim is live, while a start must be made alone, or when there
    // is nothing to do; the 4th start without a fragment in between ends the video as failed. Event `started`.
    caf::replies_to<claim_atom, std::string, std::string, std::string, caf::timespan>::with<claimed_job>,
    // The same for a video that is still being uploaded, which it stays. When it is whole the same owner says the other
    // words, which are no other start then. `incomplete` when only one start is left, `conflict` once it is whole.
    caf::replies_to<preview_atom, std::string, std::string, std::string, caf::timespan>::with<claimed_job>,
    // Where the process can be reached whose claim on this video is live; empty if there is none.
    caf::replies_to<claim_atom, std::string>::with<std::string>,
    // Prolongs a claim. `conflict` for that of an upload which has no fragment yet, while another video waits to be
    // started alone.
    caf::replies_to<renew_atom, claim, caf::timespan>::with<void>,
    // Gives a claim back without a result, and takes its start out of the count: `queued` again, at once. A video that
    // is still being uploaded stays that.
    caf::replies_to<release_atom, claim>::with<void>,
    // Keeps what the analysis found. Fragments of another plan are forgotten.
    caf::replies_to<plan_atom, claim, media::analysis>::with<void>,
    // Records fragments that are on disk under their final names. Resets the count of starts.
    caf::replies_to<store_atom, claim, std::vector<stored_fragment>>::with<void>,
    // Forgets all fragments of one rendition id whose files are not what the rows say.
    caf::replies_to<remove_atom, claim, std::vector<stored_fragment>>::with<void>,
    // Keeps and publishes how far a job is. Event `progress`.
    caf::replies_to<progress_atom, claim, progress>::with<void>,
    // All fragments and manifests are fsynced: `completed`. Changes exactly one row, once. Event `completed`.
    caf::replies_to<complete_atom, claim>::with<video>,
    // The job can't be done: `failed`, with a sentence for people. Event `failed`.
    caf::replies_to<fail_atom, claim, std::string>::with<video>,
    // Enqueues `queued` and `processing` videos again that have neither a live claim nor a waiting job; answers how
    // many.
    caf::replies_to<orphans_atom>::with<std::uint32_t>,

    // The embedded queue: jobs that are due and not yet in anybody's hands, oldest first, at most so many.
    caf::replies_to<jobs_atom, std::uint32_t>::with<std::vector<job>>,
    // A job is done with.
    caf::replies_to<ack_atom, std::uint64_t>::with<void>,
    // A job is due again after a while, for this reason.
    caf::replies_to<later_atom, std::uint64_t, caf::timespan, std::string>::with<void>,
    // A job is given up, for this reason.
    caf::replies_to<dead_atom, std::uint64_t, std::string>::with<void>,
    // Events with an id above the given one, of one video or of all (empty hash), in id order, at most so many.
    caf::replies_to<events_atom, std::uint64_t, std::string, std::uint32_t>::with<std::vector<event>>,
    // The id of the newest event.
    caf::replies_to<last_atom>::with<std::uint64_t>,

    // Kafka: the rows of the outbox to be published next, at most so many, for the one process that holds the lease:
    // owner, the id of the Kafka cluster, how long the lease lives from now on. `conflict` while another one holds it.
    // A cluster that is not the one before knows none of the jobs: they are enqueued again. Without a cluster (empty)
    // there is no lease and nothing to publish, only the count of what waits.
    caf::replies_to<publish_atom, std::string, std::string, caf::timespan, std::uint32_t>::with<publication>,
    // Everything up to this id is published; its jobs leave the outbox. `stale` when the lease has passed on.
    caf::replies_to<publish_atom, std::string, std::uint64_t>::with<void>,
    // Gives the lease back.
    caf::replies_to<release_atom, std::string>::with<void>>;

// -- events ---------------------------------------------------------------------------------------

/// The ordered log of what happened to each video. Readers pull, so a slow one costs nothing.
using event_hub_actor = outbox_listener::extend<
    // Events with an id above the given one, of one video or of all (empty hash), at most so many. Answers when there
    // is one, and with none after the hub's idle time (15 s).
    caf::replies_to<next_atom, std::uint64_t, std::string, std::uint32_t>::with<std::vector<event>>,
    // The id of the newest event, for a reader that wants only what comes.
    caf::replies_to<last_atom>::with<std::uint64_t>>;

// -- uploads --------------------------------------------------------------------------------------

/// Whoever follows how an upload arrives.
using arrival_listener = caf::typed_actor<
    // What is there by now.
    caf::reacts_to<arrive_atom, arrival>>;

/// One upload's file and which bytes are present. Detached: it writes to disk.
using upload_session_actor = caf::typed_actor<
    // Asks to write a chunk: index, and its size where it is known beforehand (else 0). `invalid_request` for an index
    // or size that can't be. While another writer holds the index the answer waits for its end.
    caf::replies_to<begin_atom, std::uint32_t, std::uint64_t>::with<chunk_ticket>,
    // The next bytes of the chunk, at most 256 KiB. Answers when they are written.
    caf::replies_to<write_atom, std::uint64_t, bytes>::with<void>,
    // The chunk is whole. Answers when it would survive a crash. For a chunk that was present, answers at once.
    caf::replies_to<end_atom, std::uint64_t>::with<chunk_receipt>,
    // The chunk will not become whole; its index is free again.
    caf::reacts_to<abort_atom, std::uint64_t>,
    // The chunks that are not there yet, ascending.
    caf::replies_to<missing_atom>::with<std::vector<std::uint32_t>>,
    // Makes the source durable and queues the video. `conflict` with the missing indexes in words. Again is harmless.
    caf::replies_to<finalize_atom>::with<video>,
    // Answers when all bytes from this offset on, so many, are there, or, if that is wanted, in acknowledged chunks;
    // with all that are there around them, and the `arrival::reading` of it; with no bytes and another reading, where
    // they need not be acknowledged and a chunk was aborted meanwhile. Errors: `invalid_request` for bytes beyond the
    // end, `overloaded` when the session ends before.
    caf::replies_to<await_atom, std::uint64_t, std::uint64_t, bool>::with<media::byte_range, std::uint32_t>,
    // Tells `listener` what is there, now and whenever that changes, until one of the two ends.
    caf::reacts_to<watch_atom, arrival_listener>,
    // Somebody waits for these bytes, the first ones most of all: whoever sends chunks is told so. `hurried`: viewers
    // wait, or the first look at the video is under way, so that whoever sends what nobody waits for is held back.
    caf::reacts_to<want_atom, std::vector<media::byte_range>, bool>>;

/// The map of open uploads.
using session_manager_actor = caf::typed_actor<
    // Begins an upload or resumes it. `too_large`, `overloaded` (too many open), `disk_full`, `invalid_request`.
    caf::replies_to<init_atom, upload_request>::with<upload_state>,
    // The session of a video, `not_found` if there is no such video. It ends when it has been idle; ask again then.
    caf::replies_to<session_atom, std::string>::with<upload_session_actor>,
    // Deletes a video in any state: ends its upload or its job, then the row, then the files.
    caf::replies_to<remove_atom, std::string>::with<void>>;

// -- queue and jobs -------------------------------------------------------------------------------

/// Takes jobs from a queue, at most as many at once as it gave credit for.
using job_consumer = caf::typed_actor<
    // A job. It ends with ack, later or dead, told to the queue; each gives back one credit.
    caf::reacts_to<deliver_atom, job>>;

/// The durable queue between finalize and transcode. Deliveries are at least once.
using job_queue_actor = outbox_listener::extend<
    // There is something new for this video.
    caf::reacts_to<enqueue_atom, std::string>,
    // Delivers to `consumer` from now on, with so many jobs in its hands at once.
    caf::reacts_to<subscribe_atom, job_consumer, std::uint32_t>,
    // Delivers no more to it; what is in its hands stays there.
    caf::reacts_to<drain_atom, job_consumer>,
    // The job with this id is done with.
    caf::reacts_to<ack_atom, std::uint64_t>,
    // Deliver it again after a while, for this reason.
    caf::reacts_to<later_atom, std::uint64_t, caf::timespan, std::string>,
    // Give it up (dead letter), for this reason. Its video has failed by now.
    caf::reacts_to<dead_atom, std::uint64_t, std::string>,
    // Whether it works.
    caf::replies_to<status_atom>::with<queue_status>>;

/// Publishes the outbox to Kafka, in id order, while this process holds the lease. Detached: it waits for the broker.
using outbox_publisher_actor = outbox_listener::extend<
    // Adds to the dead letters. Answers when the broker has it.
    caf::replies_to<dead_atom, refused_job>::with<void>,
    // Whether the broker answers.
    caf::replies_to<status_atom>::with<queue_status>>;

/// Where viewers ask for fragments that are not there.
using wish_keeper = caf::typed_actor<
    // This fragment is wanted, and comes before what nobody waits for. Answers at once with the wish's number. Errors:
    // `not_found` for what will never be, `overloaded` when the viewer or the video has too many wishes, `conflict`
    // where nobody here is at work on the video.
    caf::replies_to<wish_atom, fragment_wish>::with<std::uint64_t>,
    // Answers when the fragment of this wish is on disk.
    caf::replies_to<await_atom, std::string, std::uint64_t>::with<void>,
    // Nobody waits for it any more.
    caf::reacts_to<abort_atom, std::string, std::uint64_t>>;

/// Starts a transcode job for each job of the queue and for uploads that have come far enough, and watches over it.
using job_manager_actor = job_consumer::extend_with<wish_keeper>::extend<
    // The head of this upload is there, so that its job may begin; it reads what this session has.
    caf::reacts_to<preview_atom, std::string, upload_session_actor>,
    // A transcode job ended.
    caf::reacts_to<finish_atom, job_outcome>,
    // Ends a video's job if there is one here. Answers when none of its writes can come any more.
    caf::replies_to<cancel_atom, std::string>::with<void>,
    // Takes no more jobs, puts back those in flight, answers when nothing runs.
    caf::replies_to<drain_atom>::with<void>>;

/// What the dispatcher tells a job.
using order_listener = caf::typed_actor<
    // All that is being encoded of this video now.
    caf::reacts_to<begin_atom, std::vector<cell_part>>,
    // Some renditions of a segment were encoded. The job says `store` to the dispatcher when they are on disk.
    caf::reacts_to<result_atom, segment_result>,
    // A segment failed for good: video hash, its number, and why.
    caf::reacts_to<fail_atom, std::string, std::uint32_t, caf::error>>;

/// One video's plan and progress: claims it, has it analyzed, has its segments encoded and stored, completes it. Tells
/// the job manager how it ended.
using transcode_job_actor = order_listener::extend_with<arrival_listener, wish_keeper>::extend<
    // How far it is.
    caf::replies_to<progress_atom>::with<progress>,
    // Stop: gives the claim back (true) or leaves it (false, the video is being deleted). Answers when no write can
    // come.
    caf::replies_to<cancel_atom, bool>::with<void>,
    // Time for the claim's renewal and for the estimate of the time left.
    caf::reacts_to<tick_atom>>;

/// One video's segment grid, fragments and manifests. Detached: it writes to disk.
using segmenter_actor = caf::typed_actor<
    // Writes init segments and the poster; answers the fragments whose files are really there, of those given.
    caf::replies_to<open_atom, media::analysis, std::vector<stored_fragment>>::with<std::vector<stored_fragment>>,
    // The plan and the segments go on: writes the manifests again. `stale` where that is of another plan than `open`.
    caf::replies_to<grow_atom, media::analysis>::with<void>,
    // Writes a segment's fragments under their final names; answers what is to be recorded. Again is harmless.
    caf::replies_to<store_atom, segment_result>::with<std::vector<stored_fragment>>,
    // All fragments are there: writes the manifests and makes every file durable.
    caf::replies_to<finish_atom>::with<void>>;

// -- encoders -------------------------------------------------------------------------------------

/// Runs FFmpeg, one task at a time, in a detached actor of its own behind this one.
using encoder_actor = caf::typed_actor<
    // Looks at a source and plans it.
    caf::replies_to<analyze_atom, analyze_task>::with<media::analysis>,
    // Encodes one segment.
    caf::replies_to<encode_atom, segment_task>::with<segment_result>,
    // Ends what it does for this video, soon: the request is answered with `cancelled`.
    caf::reacts_to<cancel_atom, std::string>,
    // Ends, so that another one takes its place that has done nothing yet.
    caf::reacts_to<renew_atom>>;

/// Encoders and what each is doing.
using dispatcher_actor = caf::typed_actor<
    // An encoder offers itself. Its tasks are queued again when it ends.
    caf::reacts_to<register_atom, encoder_actor, encoder_info>,
    // No more tasks for the encoders of this node, until it is started again; answers how many have one.
    caf::replies_to<drain_atom, std::string>::with<std::uint32_t>,
    // No more tasks for this encoder, which wants to end. What it was given before this is answered is still to be
    // done.
    caf::replies_to<drain_atom, encoder_actor>::with<void>,
    // Analyzes a source on the next free encoder.
    caf::replies_to<analyze_atom, analyze_task>::with<media::analysis>,
    // Encodes these segments, fairly among all orders, adjacent ones on one encoder; tells `listener` of each. The same
    // video again replaces its order.
    caf::reacts_to<open_atom, job_order, order_listener>,
    // A video's order goes on, with a source and a plan that do: these are wanted too, those behind the last segment
    // and more of those that it has. Its renditions are the same.
    caf::reacts_to<grow_atom, job_order>,
    // The bytes of these parts of a video are there by now.
    caf::reacts_to<ready_atom, std::string, std::vector<cell_part>>,
    // All that viewers of a video wait for, which comes before everything else. What is urgent and just being made with
    // other renditions is made anew, once, without these.
    caf::reacts_to<want_atom, std::string, viewer_needs>,
    // What was encoded of a segment of this video is stored: one credit back. While none is left no further segment of
    // it is started.
    caf::reacts_to<store_atom, std::string, std::uint32_t>,
    // Ends an order and what runs for it. Answers when its encoders have let go.
    caf::replies_to<close_atom, std::string>::with<void>,
    // What everybody is doing.
    caf::replies_to<status_atom>::with<dispatcher_status>>;

} // namespace vp

/// Handles that travel in messages.
CAF_BEGIN_TYPE_ID_BLOCK(vidpipeline_handles, caf::id_block::vidpipeline::end)

CAF_ADD_TYPE_ID(vidpipeline_handles, (vp::outbox_listener))
CAF_ADD_TYPE_ID(vidpipeline_handles, (vp::arrival_listener))
CAF_ADD_TYPE_ID(vidpipeline_handles, (vp::upload_session_actor))
CAF_ADD_TYPE_ID(vidpipeline_handles, (vp::job_consumer))
CAF_ADD_TYPE_ID(vidpipeline_handles, (vp::order_listener))
CAF_ADD_TYPE_ID(vidpipeline_handles, (vp::encoder_actor))

CAF_END_TYPE_ID_BLOCK(vidpipeline_handles)

namespace vp {

/// Registers every message type with `config`.
template <class Config>
void add_message_types(Config& config) {
  config.template add_message_types<caf::id_block::vidpipeline>();
  config.template add_message_types<caf::id_block::vidpipeline_handles>();
}

} // namespace vp
