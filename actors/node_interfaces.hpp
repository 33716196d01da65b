#pragma once

#include "actors/interfaces.hpp"

#include <caf/all.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

/// What the server and its workers tell each other. A worker is a process with one encoder, on this machine or on
/// another; all that it needs and all that it makes goes over its link to the server.

namespace vp {

/// What a worker may take for a task.
struct worker_limits {
  caf::timespan segment{};
  caf::timespan analyze{};
};

template <class I>
typename I::result_type inspect(I& f, worker_limits& x) {
  return f(caf::meta::type_name("vp::worker_limits"), x.segment, x.analyze);
}

} // namespace vp

CAF_BEGIN_TYPE_ID_BLOCK(vidpipeline_nodes, caf::id_block::vidpipeline_handles::end)

CAF_ADD_TYPE_ID(vidpipeline_nodes, (vp::worker_limits))
CAF_ADD_ATOM(vidpipeline_nodes, vp, join_atom, "join")
CAF_ADD_ATOM(vidpipeline_nodes, vp, read_atom, "read")
CAF_ADD_ATOM(vidpipeline_nodes, vp, verdict_atom, "verdict")

CAF_END_TYPE_ID_BLOCK(vidpipeline_nodes)

namespace vp {

/// A message carries at most so many bytes of a source or of a result, and so many such messages are on their way at
/// once in each direction: 1 MiB, which a slow link still carries between two heartbeats.
inline constexpr std::size_t piece_size = std::size_t{64} << 10U;
inline constexpr std::size_t pieces_in_flight = 16;

/// The worker's end. Tasks are numbered by the slot, one at a time.
using worker_actor = caf::typed_actor<
    // Looks at a source and plans it.
    caf::reacts_to<analyze_atom, std::uint64_t, analyze_task>,
    // Encodes one segment.
    caf::reacts_to<encode_atom, std::uint64_t, segment_task>,
    // Ends this task, soon.
    caf::reacts_to<cancel_atom, std::uint64_t>,
    // Ends; its process begins anew.
    caf::reacts_to<renew_atom>,
    // Answers, if it is there.
    caf::replies_to<status_atom>::with<void>>;

/// The server's end, as its worker sees it. What names a task that has ended is answered with `stale`, or dropped.
using slot_link_actor = caf::typed_actor<
    // At most `piece_size` bytes of the source of this task, from this offset.
    caf::replies_to<read_atom, std::uint64_t, std::uint64_t, std::uint32_t>::with<bytes>,
    // The next piece of this task's result, serialized. The answer is credit for another one.
    caf::replies_to<result_atom, std::uint64_t, bytes>::with<void>,
    // The result is whole.
    caf::reacts_to<end_atom, std::uint64_t>,
    // The task can't be done, and why.
    caf::reacts_to<fail_atom, std::uint64_t, caf::error>,
    // The worker wants to end. Once this is answered it gets no more tasks.
    caf::replies_to<drain_atom>::with<void>>;

/// The server's end, as the dispatcher sees it: an encoder like any other.
using worker_slot_actor =
    slot_link_actor::extend<caf::replies_to<analyze_atom, analyze_task>::with<media::analysis>,
                            caf::replies_to<encode_atom, segment_task>::with<segment_result>,
                            caf::reacts_to<cancel_atom, std::string>, caf::reacts_to<renew_atom>,
                            // How the worker's process ended, in words, and whether that counts against what it was
                            // doing. Answers when the dispatcher has been told.
                            caf::replies_to<verdict_atom, std::string, bool>::with<void>>;

/// Where workers come in.
using node_gate_actor = caf::typed_actor<
    // A worker introduces itself with a `node_hello`, as text that every version can read, and gets its slot.
    // `conflict` with the reason in words when it must not work here.
    caf::replies_to<join_atom, std::string, worker_actor>::with<slot_link_actor, worker_limits>>;

/// Reads the server's files for its workers. Detached: it waits for the disk.
using source_reader_actor = caf::typed_actor<
    // At most so many bytes of this file, from this offset.
    caf::replies_to<read_atom, std::string, std::uint64_t, std::uint32_t>::with<bytes>>;

} // namespace vp

CAF_BEGIN_TYPE_ID_BLOCK(vidpipeline_node_handles, caf::id_block::vidpipeline_nodes::end)

CAF_ADD_TYPE_ID(vidpipeline_node_handles, (vp::worker_actor))
CAF_ADD_TYPE_ID(vidpipeline_node_handles, (vp::slot_link_actor))

CAF_END_TYPE_ID_BLOCK(vidpipeline_node_handles)

namespace vp {

template <class Config>
void add_node_message_types(Config& config) {
  config.template add_message_types<caf::id_block::vidpipeline_nodes>();
  config.template add_message_types<caf::id_block::vidpipeline_node_handles>();
}

} // namespace vp
