#include "actors/database.hpp"
#include "actors/json.hpp"

#include <numeric>

namespace vp {

namespace {

/// A second has at most this many `chunk` events of one video.
constexpr std::int64_t chunk_event_interval_ms = 500;

} // namespace

result<video> database::open_video(const std::string& hash, const upload_request& request,
                                   const std::function<bool()>& source_present) {
  return write([&]() -> result<video> {
    auto found = find(hash);
    if (!found && found.error().code != errc::not_found)
      return tl::unexpected(found.error());
    auto time = now();
    if (found) {
      auto& known = found->video;
      auto begin_again = known.status == video_status::failed;
      if (known.status != video_status::uploading && !begin_again)
        return std::move(known);
      if (begin_again)
        if (auto room = room_for_upload(); !room)
          return tl::unexpected(room.error());
      auto lost = !source_present();
      if (lost) {
        run("DELETE FROM chunks WHERE video_id = ?", known.id);
        known.received_chunks = 0;
        known.chunk_size = 0;
      }
      if (known.chunk_size != 0 && request.chunk_size != 0 && known.chunk_size != request.chunk_size)
        return vp::fail(errc::conflict, "this file is being uploaded in chunks of " + std::to_string(known.chunk_size)
                                            + " bytes, not " + std::to_string(request.chunk_size));
      if (begin_again || lost)
        begin_upload_anew(known.id);
      run("UPDATE videos SET received_chunks = ?, chunk_size = ?, updated_at = ? WHERE id = ?", known.received_chunks,
          known.chunk_size == 0 ? request.chunk_size : known.chunk_size, time, known.id);
      if (begin_again)
        emit("created", hash, video_status::uploading, {{"title", known.title}});
      return reread(hash);
    }
    if (auto room = room_for_upload(); !room)
      return tl::unexpected(room.error());
    run("INSERT INTO videos (hash, title, description, mime_type, fingerprint, file_size, total_chunks, chunk_size, "
        "status, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'uploading', ?, ?)",
        hash, request.title, request.description, request.mime_type, request.fingerprint, request.file_size,
        request.total_chunks, request.chunk_size, time, time);
    emit("created", hash, video_status::uploading, {{"title", request.title}});
    return reread(hash);
  });
}

/// Nothing that was made of the bytes before is good for those to come.
void database::begin_upload_anew(std::int64_t id) {
  run("UPDATE videos SET status = 'uploading', error = '', attempts = 0, uploads = uploads + 1, plan = '', "
      "segments = '', progress = '', has_poster = 0, epoch = 0, expires = 0 WHERE id = ?",
      id);
  run("DELETE FROM fragments WHERE video_id = ?", id);
}

result<void> database::room_for_upload() {
  auto& open = query("SELECT COUNT(*) FROM videos WHERE status = 'uploading'");
  open.executeStep();
  if (open.getColumn(0).getInt64() >= options_.max_open_uploads)
    return vp::fail(errc::overloaded, "too many uploads are open; try again when one has ended");
  return {};
}

result<video> database::get(const std::string& hash) {
  return guarded([&] { return reread(hash); });
}

result<std::pair<video, bool>> database::get(const std::string& hash, std::uint32_t index) {
  return read([&]() -> result<std::pair<video, bool>> {
    auto found = find(hash);
    if (!found)
      return tl::unexpected(found.error());
    auto& video = found->video;
    auto present = video.received_chunks == video.total_chunks
                   || query("SELECT 1 FROM chunks WHERE video_id = ? AND idx = ?", video.id, index).executeStep();
    return std::pair{std::move(video), present};
  });
}

result<std::vector<video>> database::list() {
  return guarded([&]() -> result<std::vector<video>> {
    std::vector<video> all;
    for (auto& each = query(select_all()); each.executeStep();)
      all.push_back(read_row(each).video);
    return all;
  });
}

result<std::vector<std::uint32_t>> database::chunks(const std::string& hash) {
  return read([&]() -> result<std::vector<std::uint32_t>> {
    auto found = find(hash);
    if (!found)
      return tl::unexpected(found.error());
    std::vector<std::uint32_t> present;
    if (auto& video = found->video; video.received_chunks == video.total_chunks) {
      present.resize(video.total_chunks);
      std::iota(present.begin(), present.end(), 0U);
      return present;
    }
    for (auto& each = query("SELECT idx FROM chunks WHERE video_id = ? ORDER BY idx", found->video.id);
         each.executeStep();)
      present.push_back(each.getColumn(0).getUInt());
    return present;
  });
}

/// `id` tells an upload from one that was begun anew under the same hash.
result<database::row> database::find_upload(const std::string& hash, std::optional<std::int64_t> id) {
  auto found = find(hash);
  if (found && id && found->video.id != *id)
    return vp::fail(errc::overloaded, "the upload has just been begun anew; try again");
  return found;
}

result<std::uint64_t> database::settle_chunk_size(const std::string& hash, std::int64_t id, std::uint64_t chunk_size) {
  return write([&]() -> result<std::uint64_t> {
    auto found = find_upload(hash, id);
    if (!found)
      return tl::unexpected(found.error());
    auto& video = found->video;
    if (video.chunk_size != 0)
      return video.chunk_size;
    run("UPDATE videos SET chunk_size = ? WHERE id = ?", chunk_size, video.id);
    return chunk_size;
  });
}

result<video> database::add_chunk(const std::string& hash, std::uint32_t index, std::uint64_t chunk_size,
                                  std::optional<std::int64_t> id) {
  return write([&]() -> result<video> {
    auto found = find_upload(hash, id);
    if (!found)
      return tl::unexpected(found.error());
    auto& video = found->video;
    if (index >= video.total_chunks)
      return vp::fail(errc::invalid_request, "there is no chunk " + std::to_string(index));
    if (video.received_chunks == video.total_chunks)
      return std::move(video);
    if (video.status != video_status::uploading)
      return vp::fail(errc::conflict, std::string{"the video is not being uploaded: it is "} + to_string(video.status));
    if (chunk_size != 0 && video.chunk_size != 0 && chunk_size != video.chunk_size)
      return vp::fail(errc::invalid_request, "the chunks of this upload have " + std::to_string(video.chunk_size)
                                                 + " bytes, not " + std::to_string(chunk_size));
    if (run("INSERT OR IGNORE INTO chunks (video_id, idx) VALUES (?, ?)", video.id, index) == 0)
      return std::move(video);
    auto time = now();
    run("UPDATE videos SET received_chunks = received_chunks + 1, updated_at = ?, "
        "chunk_size = CASE chunk_size WHEN 0 THEN ? ELSE chunk_size END WHERE id = ?",
        time, chunk_size, video.id);
    auto received = video.received_chunks + 1;
    if (received == video.total_chunks) {
      // From here on the count says it all.
      run("DELETE FROM chunks WHERE video_id = ?", video.id);
      last_chunk_event_.erase(hash);
    }
    auto last = last_chunk_event_.find(hash);
    if (last == last_chunk_event_.end() || time - last->second >= chunk_event_interval_ms) {
      if (received != video.total_chunks)
        last_chunk_event_[hash] = time;
      emit("chunk", hash, video.status, {{"received_chunks", received}, {"total_chunks", video.total_chunks}});
    }
    return reread(hash);
  });
}

result<video> database::finalize(const std::string& hash) {
  return write(
      [&]() -> result<video> {
        auto found = find(hash);
        if (!found)
          return tl::unexpected(found.error());
        auto& video = found->video;
        if (video.status != video_status::uploading)
          return std::move(video);
        if (video.received_chunks != video.total_chunks)
          return vp::fail(errc::conflict,
                          std::to_string(video.total_chunks - video.received_chunks) + " chunks have not arrived yet");
        run("UPDATE videos SET status = 'queued', updated_at = ? WHERE id = ?", now(), video.id);
        drop_events(hash, {"chunk"});
        enqueue(hash, waiting_job::replace);
        emit("queued", hash, video_status::queued);
        return reread(hash);
      },
      durable::now);
}

result<video> database::retry(const std::string& hash) {
  return write([&]() -> result<video> {
    auto found = find(hash);
    if (!found)
      return tl::unexpected(found.error());
    auto& video = found->video;
    if (video.status != video_status::failed)
      return vp::fail(errc::conflict,
                      std::string{"only a failed video can be tried again; this one is "} + to_string(video.status));
    if (video.received_chunks != video.total_chunks)
      return vp::fail(errc::conflict, "the source of this video is gone; upload it again");
    // The next start looks at the source anew. Fragments of the same plan stay good.
    run("UPDATE videos SET status = 'queued', error = '', attempts = 0, plan = '', segments = '', progress = '', "
        "epoch = 0, expires = 0, updated_at = ? WHERE id = ?",
        now(), video.id);
    run("DELETE FROM outbox WHERE topic = 'job' AND state = 'dead' AND key = ?", hash);
    // A job still in somebody's hands is not this one.
    enqueue(hash, waiting_job::replace);
    emit("queued", hash, video_status::queued);
    return reread(hash);
  });
}

result<void> database::erase(const row& which, const discard_files& discard) {
  auto& hash = which.video.hash;
  run("DELETE FROM videos WHERE id = ?", which.video.id);
  run("DELETE FROM outbox WHERE topic = 'job' AND key = ?", hash);
  drop_events(hash, {"chunk", "progress"});
  emit("deleted", hash, which.video.status);
  last_chunk_event_.erase(hash);
  return discard ? discard(hash) : result<void>{};
}

result<void> database::remove(const std::string& hash, const discard_files& discard) {
  return write([&]() -> result<void> {
    auto found = find(hash);
    if (!found)
      return tl::unexpected(found.error());
    return erase(*found, discard);
  });
}

result<std::vector<std::string>> database::expire(std::chrono::nanoseconds idle, const discard_files& discard) {
  return write([&]() -> result<std::vector<std::string>> {
    auto before = now() - std::chrono::duration_cast<std::chrono::milliseconds>(idle).count();
    std::vector<std::string> hashes;
    for (auto& each = query("SELECT hash FROM videos WHERE status = 'uploading' AND updated_at < ?", before);
         each.executeStep();)
      hashes.push_back(each.getColumn(0).getString());
    for (auto& hash : hashes)
      if (auto found = find(hash))
        if (auto erased = erase(*found, discard); !erased)
          return tl::unexpected(erased.error());
    return hashes;
  });
}

result<void> database::restart_upload(const std::string& hash) {
  return write([&]() -> result<void> {
    auto found = find(hash);
    if (!found)
      return tl::unexpected(found.error());
    run("DELETE FROM chunks WHERE video_id = ?", found->video.id);
    begin_upload_anew(found->video.id);
    run("UPDATE videos SET received_chunks = 0 WHERE id = ?", found->video.id);
    return {};
  });
}

} // namespace vp
