#include "actors/database.hpp"
#include "actors/json.hpp"
#include "media/json.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vp {

namespace {

/// Starts without a fragment in between; the next one gives the video up. Those of an upload count as well, all but the
/// last one, which is for when it is whole.
constexpr std::uint32_t max_attempts = 3;
constexpr auto tried_alone = "a video that may have ended the server is tried alone";
/// A job that waits for its turn asks more often than this.
constexpr std::chrono::seconds longest_turn{10};

std::int64_t milliseconds(std::chrono::nanoseconds x) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(x).count();
}

std::string segments_to_text(const std::vector<media::segment>& segments) {
  auto rows = nlohmann::json::array();
  for (auto& x : segments)
    rows.push_back({x.number, x.start, x.end, x.frames, x.audio_start, x.audio_end, x.video_bytes.begin,
                    x.video_bytes.end, x.audio_bytes.begin, x.audio_bytes.end});
  return to_text(rows);
}

std::optional<std::vector<media::segment>> segments_from_text(std::string_view text) {
  auto rows = nlohmann::json::parse(text, nullptr, false);
  if (!rows.is_array())
    return std::nullopt;
  std::vector<media::segment> segments;
  try {
    for (auto& x : rows)
      segments.push_back(
          {x.at(0), x.at(1), x.at(2), x.at(3), x.at(4), x.at(5), {x.at(6), x.at(7)}, {x.at(8), x.at(9)}});
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
  return segments;
}

struct size {
  int width = 0;
  int height = 0;
};

/// Of the picture as it is seen: square pixels, upright.
size display_size(const media::video_stream& stream) {
  auto aspect = stream.sample_aspect.num > 0 && stream.sample_aspect.den > 0 ? stream.sample_aspect.value() : 1.0;
  size x{static_cast<int>(std::lround(stream.width * aspect)), stream.height};
  if (stream.rotation == 90 || stream.rotation == 270)
    std::swap(x.width, x.height);
  return x;
}

/// The process of an owner, which is `process/job`.
std::string_view process_of(std::string_view owner) {
  return owner.substr(0, owner.find('/'));
}

std::string joined(const std::vector<std::string>& sentences) {
  std::string text;
  for (auto& one : sentences)
    text += (text.empty() ? "" : " ") + one;
  return text;
}

} // namespace

std::vector<stored_fragment> database::fragments_of(std::int64_t id) {
  std::vector<stored_fragment> all;
  for (auto& each = query("SELECT rendition, segment, start, duration, size FROM fragments WHERE video_id = ? "
                          "ORDER BY segment, rendition",
                          id);
       each.executeStep();)
    all.push_back({each.getColumn(0).getString(), each.getColumn(1).getUInt(), each.getColumn(2).getInt64(),
                   each.getColumn(3).getInt64(), static_cast<std::uint64_t>(each.getColumn(4).getInt64())});
  return all;
}

void database::set_failed(const row& which, const std::string& reason) {
  auto& hash = which.video.hash;
  run("UPDATE videos SET status = 'failed', error = ?, expires = 0, updated_at = ? WHERE id = ?", reason, now(),
      which.video.id);
  drop_events(hash, {"chunk", "progress"});
  emit("failed", hash, video_status::failed, {{"error", reason}});
}

/// Whoever ends the process takes every job in it along, and the count of starts can't tell which of them it was. So a
/// last start is made beside none that has yet to store a fragment, and none begins beside it until it stores one.
/// Whoever has to wait for that has the next turn, the oldest first, or others could begin for ever.
bool database::must_wait(const row& which) {
  auto id = which.video.id;
  auto& others =
      query("SELECT coalesce(max(attempts), 0) FROM videos WHERE id <> ? AND epoch <> 0 AND expires > ?", id, now());
  others.executeStep();
  auto most = others.getColumn(0).getUInt();
  auto last_start = which.video.attempts + 1 == max_attempts;
  auto wait = another_has_turn(id, last_start ? id : std::numeric_limits<std::int64_t>::max()) || most >= max_attempts
              || (most > 0 && last_start);
  if (last_start)
    run("UPDATE videos SET turn_until = ? WHERE id = ?", wait ? now() + milliseconds(longest_turn) : 0, id);
  return wait;
}

/// Whether a video other than this one, and older than `before`, waits to be started alone.
bool database::another_has_turn(std::int64_t id, std::int64_t before) {
  auto& turns = query("SELECT 1 FROM videos WHERE id <> ? AND id < ? AND turn_until > ? "
                      "AND status IN ('queued', 'processing') LIMIT 1",
                      id, before, now());
  return turns.executeStep();
}

/// Whether this owner's claim on the video is live; `conflict` where that of another process is.
result<bool> database::has_claim(const row& which, const std::string& owner) const {
  if (which.epoch == 0 || which.expires <= now())
    return false;
  if (process_of(which.owner) != process_of(owner))
    return vp::fail(errc::conflict, "another server is at work on this video");
  return which.owner == owner;
}

result<claimed_job> database::claim_job(const std::string& hash, const std::string& owner, const std::string& url,
                                        std::chrono::nanoseconds lifetime) {
  // A refusal that is kept, and what it wrote with it, is a value of the transaction.
  using outcome = result<claimed_job>;
  auto answer = write([&]() -> result<outcome> {
    auto found = find(hash);
    if (!found)
      return tl::unexpected(found.error());
    auto& video = found->video;
    if (video.status != video_status::queued && video.status != video_status::processing)
      return vp::fail(errc::conflict, std::string{"there is nothing to do: the video is "} + to_string(video.status));
    // The same words again, after an answer that got lost, are no other start. An upload's job that says them when the
    // upload is whole keeps its epoch.
    auto same = has_claim(*found, owner);
    if (!same)
      return tl::unexpected(same.error());
    auto epoch = found->epoch;
    if (!*same) {
      if (video.attempts >= max_attempts) {
        set_failed(*found, "Transcoding was started " + std::to_string(max_attempts)
                               + " times and ended each time without a result.");
        return outcome{
            vp::fail(errc::conflict, "there is nothing to do: the video has failed, it was started too often")};
      }
      if (must_wait(*found))
        return outcome{vp::fail(errc::conflict, tried_alone)};
      epoch = begin(*found, owner, url, video_status::processing);
    } else if (video.status == video_status::queued) {
      emit("started", hash, video_status::processing, {{"attempt", std::max(video.attempts, 1U)}});
      run("UPDATE videos SET status = 'processing', updated_at = ? WHERE id = ?", now(), video.id);
    }
    run("UPDATE videos SET expires = ? WHERE id = ?", now() + milliseconds(lifetime), video.id);
    auto job = read_job({hash, owner, epoch});
    if (!job)
      return tl::unexpected(job.error());
    return outcome{std::move(*job)};
  });
  if (!answer)
    return tl::unexpected(answer.error());
  return std::move(*answer);
}

result<claimed_job> database::preview_job(const std::string& hash, const std::string& owner, const std::string& url,
                                          std::chrono::nanoseconds lifetime) {
  return write([&]() -> result<claimed_job> {
    auto found = find(hash);
    if (!found)
      return tl::unexpected(found.error());
    if (found->video.status != video_status::uploading)
      return vp::fail(errc::conflict, "the upload has ended");
    auto same = has_claim(*found, owner);
    if (!same)
      return tl::unexpected(same.error());
    auto epoch = found->epoch;
    if (!*same) {
      if (found->video.attempts + 1 >= max_attempts)
        return vp::fail(errc::incomplete, "it was begun too often; it is tried once more when it is whole");
      if (must_wait(*found))
        return vp::fail(errc::conflict, tried_alone);
      epoch = begin(*found, owner, url, video_status::uploading);
    }
    run("UPDATE videos SET expires = ? WHERE id = ?", now() + milliseconds(lifetime), found->video.id);
    return read_job({hash, owner, epoch});
  });
}

/// Counts a start and makes it the video's claim; answers its epoch.
std::uint64_t database::begin(const row& which, const std::string& owner, const std::string& url, video_status status) {
  auto epoch = emit("started", which.video.hash, status, {{"attempt", which.video.attempts + 1}});
  run("UPDATE videos SET status = ?, attempts = attempts + 1, owner = ?, owner_url = ?, epoch = ?, updated_at = ? "
      "WHERE id = ?",
      to_string(status), owner, url, epoch, now(), which.video.id);
  return epoch;
}

/// What a job starts from.
result<claimed_job> database::read_job(const claim& mine) {
  auto found = find(mine.video_hash);
  if (!found)
    return tl::unexpected(found.error());
  claimed_job job;
  job.claim = mine;
  job.video = std::move(found->video);
  auto& texts = query("SELECT plan, segments FROM videos WHERE id = ?", job.video.id);
  texts.executeStep();
  auto plan_text = texts.getColumn(0).getString();
  auto segments_text = texts.getColumn(1).getString();
  if (!plan_text.empty()) {
    auto plan = media::plan_from_json(plan_text);
    auto segments = segments_from_text(segments_text);
    // What an older version kept and this one can't read is made again.
    if (plan && segments) {
      job.planned = true;
      job.plan = std::move(*plan);
      job.segments = std::move(*segments);
    }
  }
  job.fragments = fragments_of(job.video.id);
  return job;
}

result<std::string> database::owner_url(const std::string& hash) {
  return guarded([&]() -> result<std::string> {
    auto& live = query("SELECT owner_url FROM videos WHERE hash = ? AND epoch <> 0 AND expires > ?", hash, now());
    return live.executeStep() ? live.getColumn(0).getString() : std::string{};
  });
}

result<void> database::renew(const claim& mine, std::chrono::nanoseconds lifetime) {
  return write([&]() -> result<void> {
    auto found = find_working(mine);
    if (!found)
      return tl::unexpected(found.error());
    // An upload may take for ever to bring a first fragment.
    auto& video = found->video;
    if (video.status == video_status::uploading && video.attempts > 0
        && another_has_turn(video.id, std::numeric_limits<std::int64_t>::max()))
      return vp::fail(errc::conflict, tried_alone);
    run("UPDATE videos SET expires = ? WHERE id = ?", now() + milliseconds(lifetime), video.id);
    return {};
  });
}

result<void> database::release(const claim& mine) {
  return write([&]() -> result<void> {
    auto found = find_working(mine);
    if (!found)
      return tl::unexpected(found.error());
    run("UPDATE videos SET attempts = max(attempts - 1, 0), epoch = 0, expires = 0, updated_at = ? WHERE id = ?", now(),
        found->video.id);
    if (found->video.status == video_status::uploading)
      return {};
    run("UPDATE videos SET status = 'queued' WHERE id = ?", found->video.id);
    // The job that led to this claim is still there and its holder says when it is due again.
    enqueue(mine.video_hash, waiting_job::keep);
    emit("queued", mine.video_hash, video_status::queued);
    return {};
  });
}

result<void> database::store_plan(const claim& mine, const media::analysis& found) {
  return write([&]() -> result<void> {
    auto known = find_working(mine);
    if (!known)
      return tl::unexpected(known.error());
    auto& source = found.plan.source;
    auto codec = source.video ? source.video->codec : source.audio ? source.audio->codec : "";
    auto shown = source.video ? display_size(*source.video) : size{};
    run("UPDATE videos SET plan = ?, segments = ?, width = ?, height = ?, duration = ?, codec = ?, "
        "actual_mime_type = ?, updated_at = ? WHERE id = ?",
        media::plan_to_json(found.plan), segments_to_text(found.segments), shown.width, shown.height, source.duration,
        codec, source.mime_type, now(), known->video.id);
    auto ids = nlohmann::json::array();
    for (auto& rendition : found.plan.renditions)
      ids.push_back(rendition.id);
    run("DELETE FROM fragments WHERE video_id = ? AND rendition NOT IN (SELECT value FROM json_each(?))",
        known->video.id, to_text(ids));
    return {};
  });
}

result<void> database::store_fragments(const claim& mine, const std::vector<stored_fragment>& fragments) {
  return write([&]() -> result<void> {
    auto found = find_working(mine);
    if (!found)
      return tl::unexpected(found.error());
    for (auto& x : fragments)
      if (x.rendition == media::poster_id)
        run("UPDATE videos SET has_poster = 1 WHERE id = ?", found->video.id);
      else
        run("INSERT OR REPLACE INTO fragments (video_id, rendition, segment, start, duration, size) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            found->video.id, x.rendition, x.segment, x.start, x.duration, x.size);
    if (!fragments.empty())
      run("UPDATE videos SET attempts = 0 WHERE id = ?", found->video.id);
    return {};
  });
}

result<void> database::remove_fragments(const claim& mine, const std::vector<stored_fragment>& fragments) {
  return write([&]() -> result<void> {
    auto found = find_working(mine);
    if (!found)
      return tl::unexpected(found.error());
    for (auto& x : fragments)
      run("DELETE FROM fragments WHERE video_id = ? AND rendition = ? AND segment = ?", found->video.id, x.rendition,
          x.segment);
    return {};
  });
}

result<void> database::store_progress(const claim& mine, const progress& now) {
  return write([&]() -> result<void> {
    auto found = find_working(mine);
    if (!found)
      return tl::unexpected(found.error());
    nlohmann::json value = now;
    run("UPDATE videos SET progress = ? WHERE id = ?", to_text(value), found->video.id);
    emit("progress", mine.video_hash, found->video.status, {{"progress", std::move(value)}});
    return {};
  });
}

result<video> database::complete(const claim& mine) {
  return write(
      [&]() -> result<video> {
        auto found = find(mine);
        if (!found)
          return tl::unexpected(found.error());
        // The same words again, after an answer that got lost.
        if (found->video.status == video_status::completed)
          return std::move(found->video);
        auto& text = query("SELECT plan FROM videos WHERE id = ?", found->video.id);
        text.executeStep();
        auto plan = media::plan_from_json(text.getColumn(0).getString());
        auto warnings = plan ? joined(plan->source.warnings) : std::string{};
        if (run("UPDATE videos SET status = 'completed', error = ?, attempts = 0, expires = 0, updated_at = ? "
                "WHERE hash = ? AND epoch = ? AND status = 'processing'",
                warnings, now(), mine.video_hash, mine.epoch)
            != 1)
          return vp::fail(errc::stale, "the video is not being worked on");
        drop_events(mine.video_hash, {"chunk", "progress"});
        emit("completed", mine.video_hash, video_status::completed);
        return reread(mine.video_hash);
      },
      durable::now);
}

result<video> database::fail_job(const claim& mine, const std::string& reason) {
  return write([&]() -> result<video> {
    auto found = find(mine);
    if (!found)
      return tl::unexpected(found.error());
    if (found->video.status == video_status::failed)
      return std::move(found->video);
    if (found->video.status != video_status::processing)
      return vp::fail(errc::stale, "the video is not being worked on");
    set_failed(*found, reason);
    return reread(mine.video_hash);
  });
}

// -- start-up -------------------------------------------------------------------------------------

result<void> database::clear_claims() {
  return write([&]() -> result<void> {
    run("UPDATE videos SET epoch = 0, expires = 0 WHERE epoch <> 0");
    run("UPDATE publisher SET expires = 0");
    return {};
  });
}

result<std::vector<stored_fragment>> database::fragments(const std::string& hash) {
  return guarded([&]() -> result<std::vector<stored_fragment>> {
    auto found = find(hash);
    if (!found)
      return tl::unexpected(found.error());
    return fragments_of(found->video.id);
  });
}

result<void> database::requeue(const std::string& hash) {
  return write([&]() -> result<void> {
    auto found = find(hash);
    if (!found)
      return tl::unexpected(found.error());
    // Without its plan it is analyzed again, which makes the init segments; the fragments stay.
    run("UPDATE videos SET status = 'queued', error = '', attempts = 0, progress = '', plan = '', segments = '', "
        "has_poster = 0, epoch = 0, expires = 0, updated_at = ? WHERE id = ?",
        now(), found->video.id);
    enqueue(hash, waiting_job::keep);
    emit("queued", hash, video_status::queued);
    return {};
  });
}

result<void> database::lose_source(const std::string& hash, const std::string& reason) {
  return write([&]() -> result<void> {
    auto found = find(hash);
    if (!found)
      return tl::unexpected(found.error());
    run("UPDATE videos SET received_chunks = 0, epoch = 0 WHERE id = ?", found->video.id);
    set_failed(*found, reason);
    return {};
  });
}

} // namespace vp
