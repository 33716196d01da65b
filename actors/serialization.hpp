#pragma once

#include "actors/messages.hpp"
#include "media/json.hpp"

#include <caf/all.hpp>

#include <string>
#include <utility>

/// How messages cross a network.
namespace vp {

template <class I>
typename I::result_type inspect(I& f, segment_run& x) {
  return f(caf::meta::type_name("vp::segment_run"), x.first, x.last);
}

template <class I>
typename I::result_type inspect(I& f, time_span& x) {
  return f(caf::meta::type_name("vp::time_span"), x.from, x.to);
}

template <class I>
typename I::result_type inspect(I& f, rendition_progress& x) {
  return f(caf::meta::type_name("vp::rendition_progress"), x.name, x.done, x.total, x.ready, x.running, x.copied);
}

template <class I>
typename I::result_type inspect(I& f, progress& x) {
  return f(caf::meta::type_name("vp::progress"), x.phase, x.segments_done, x.segments_total, x.renditions,
           x.eta_seconds, x.arrived);
}

template <class I>
typename I::result_type inspect(I& f, video& x) {
  return f(caf::meta::type_name("vp::video"), x.id, x.hash, x.title, x.description, x.mime_type, x.fingerprint,
           x.file_size, x.total_chunks, x.received_chunks, x.chunk_size, x.status, x.error, x.attempts, x.uploads,
           x.width, x.height, x.duration, x.codec, x.actual_mime_type, x.has_poster, x.progress, x.created_at,
           x.updated_at);
}

template <class I>
typename I::result_type inspect(I& f, upload_request& x) {
  return f(caf::meta::type_name("vp::upload_request"), x.title, x.description, x.mime_type, x.fingerprint, x.file_size,
           x.total_chunks, x.chunk_size);
}

template <class I>
typename I::result_type inspect(I& f, upload_state& x) {
  return f(caf::meta::type_name("vp::upload_state"), x.video, x.resumable, x.uploaded_chunks);
}

template <class I>
typename I::result_type inspect(I& f, chunk_ticket& x) {
  return f(caf::meta::type_name("vp::chunk_ticket"), x.id, x.present, x.max_size);
}

template <class I>
typename I::result_type inspect(I& f, chunk_receipt& x) {
  return f(caf::meta::type_name("vp::chunk_receipt"), x.video_hash, x.chunk_index, x.chunk_size, x.received_chunks,
           x.total_chunks, x.wanted_chunks);
}

template <class I>
typename I::result_type inspect(I& f, arrival& x) {
  return f(caf::meta::type_name("vp::arrival"), x.present, x.whole, x.grows, x.arriving, x.reading);
}

template <class I>
typename I::result_type inspect(I& f, job& x) {
  return f(caf::meta::type_name("vp::job"), x.id, x.video_hash);
}

template <class I>
typename I::result_type inspect(I& f, event& x) {
  return f(caf::meta::type_name("vp::event"), x.id, x.video_hash, x.kind, x.data);
}

template <class I>
typename I::result_type inspect(I& f, outbox_row& x) {
  return f(caf::meta::type_name("vp::outbox_row"), x.id, x.is_job, x.video_hash, x.kind, x.data);
}

template <class I>
typename I::result_type inspect(I& f, publication& x) {
  return f(caf::meta::type_name("vp::publication"), x.rows, x.waiting);
}

template <class I>
typename I::result_type inspect(I& f, refused_job& x) {
  return f(caf::meta::type_name("vp::refused_job"), x.key, x.value, x.size, x.reason, x.attempts, x.origin, x.time);
}

template <class I>
typename I::result_type inspect(I& f, queue_status& x) {
  return f(caf::meta::type_name("vp::queue_status"), x.kind, x.ok, x.detail, x.unpublished);
}

template <class I>
typename I::result_type inspect(I& f, claim& x) {
  return f(caf::meta::type_name("vp::claim"), x.video_hash, x.owner, x.epoch);
}

template <class I>
typename I::result_type inspect(I& f, stored_fragment& x) {
  return f(caf::meta::type_name("vp::stored_fragment"), x.rendition, x.segment, x.start, x.duration, x.size);
}

template <class I>
typename I::result_type inspect(I& f, claimed_job& x) {
  return f(caf::meta::type_name("vp::claimed_job"), x.claim, x.video, x.planned, x.plan, x.segments, x.fragments);
}

template <class I>
typename I::result_type inspect(I& f, source_ref& x) {
  return f(caf::meta::type_name("vp::source_ref"), x.video_hash, x.path, x.size, x.version, x.state, x.reading);
}

template <class I>
typename I::result_type inspect(I& f, analyze_task& x) {
  return f(caf::meta::type_name("vp::analyze_task"), x.source, x.settings);
}

template <class I>
typename I::result_type inspect(I& f, segment_task& x) {
  return f(caf::meta::type_name("vp::segment_task"), x.source, x.plan, x.cell, x.renditions);
}

template <class I>
typename I::result_type inspect(I& f, encoded_fragment& x) {
  return f(caf::meta::type_name("vp::encoded_fragment"), x.rendition, x.segment, x.start, x.duration, x.frames, x.data);
}

template <class I>
typename I::result_type inspect(I& f, segment_result& x) {
  return f(caf::meta::type_name("vp::segment_result"), x.video_hash, x.segment, x.fragments, x.decoded_frames);
}

template <class I>
typename I::result_type inspect(I& f, cell_part& x) {
  return f(caf::meta::type_name("vp::cell_part"), x.segment, x.renditions);
}

template <class I>
typename I::result_type inspect(I& f, viewer_needs& x) {
  return f(caf::meta::type_name("vp::viewer_needs"), x.urgent, x.later, x.sought, x.soon, x.early, x.reading);
}

template <class I>
typename I::result_type inspect(I& f, cell_order& x) {
  return f(caf::meta::type_name("vp::cell_order"), x.cell, x.wanted, x.ready);
}

template <class I>
typename I::result_type inspect(I& f, fragment_wish& x) {
  return f(caf::meta::type_name("vp::fragment_wish"), x.video_hash, x.rendition, x.segment, x.viewer);
}

template <class I>
typename I::result_type inspect(I& f, job_order& x) {
  return f(caf::meta::type_name("vp::job_order"), x.source, x.plan, x.cells, x.first);
}

template <class I>
typename I::result_type inspect(I& f, job_outcome& x) {
  return f(caf::meta::type_name("vp::job_outcome"), x.video_hash, x.end, x.reason);
}

template <class I>
typename I::result_type inspect(I& f, encoder_info& x) {
  return f(caf::meta::type_name("vp::encoder_info"), x.node, x.slot, x.run, x.on_demand);
}

template <class I>
typename I::result_type inspect(I& f, encoder_status& x) {
  return f(caf::meta::type_name("vp::encoder_status"), x.where, x.drained, x.busy, x.analyzing, x.video_hash, x.segment,
           x.segments, x.failures, x.segments_per_second);
}

template <class I>
typename I::result_type inspect(I& f, dispatcher_status& x) {
  return f(caf::meta::type_name("vp::dispatcher_status"), x.encoders, x.jobs, x.segments_waiting);
}

namespace media {

template <class I>
typename I::result_type inspect(I& f, byte_range& x) {
  return f(caf::meta::type_name("vp::media::byte_range"), x.begin, x.end);
}

template <class I>
typename I::result_type inspect(I& f, segment& x) {
  return f(caf::meta::type_name("vp::media::segment"), x.number, x.start, x.end, x.frames, x.audio_start, x.audio_end,
           x.video_bytes, x.audio_bytes);
}

template <class I>
typename I::result_type inspect(I& f, init_segment& x) {
  return f(caf::meta::type_name("vp::media::init_segment"), x.rendition, x.bytes);
}

template <class I>
typename I::result_type inspect(I& f, encode_settings& x) {
  return f(caf::meta::type_name("vp::media::encode_settings"), x.encoder, x.preset, x.crf, x.salt, x.copy_source);
}

/// A plan travels as the JSON text in which it is also kept: one spelling of it is enough.
template <class I>
typename I::result_type inspect(I& f, plan& x) {
  if constexpr (I::reads_state) {
    auto text = plan_to_json(x);
    return f(caf::meta::type_name("vp::media::plan"), text);
  } else {
    std::string text;
    auto parse = [&]() -> caf::error {
      auto parsed = plan_from_json(text);
      if (!parsed)
        return caf::make_error(caf::sec::invalid_argument, parsed.error().text);
      x = std::move(*parsed);
      return caf::none;
    };
    return f(caf::meta::type_name("vp::media::plan"), text, caf::meta::load_callback(parse));
  }
}

template <class I>
typename I::result_type inspect(I& f, analysis& x) {
  return f(caf::meta::type_name("vp::media::analysis"), x.plan, x.segments, x.inits);
}

} // namespace media

} // namespace vp
