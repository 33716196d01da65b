#include "media/frame_reader.hpp"

#include <algorithm>
#include <array>
#include <ranges>
#include <utility>

namespace vp::media {

namespace {

/// Packets in memory while a keyframe is looked for; a group of pictures that is larger is decoded from its start.
constexpr std::size_t most_bytes_ahead = 64 << 20;

/// A segment that begins this much after the last frame is sought rather than decoded up to.
constexpr int seconds_to_skip = 1;

/// How often a start is tried again further back because its first frames were missing.
constexpr int most_lost = 5;

} // namespace

frame_reader::frame_reader(demuxer& source, int stream, const timeline& time)
    : source_(source), stream_(stream), time_(time), inspector_(*source.stream(stream).codecpar) {}

result<std::unique_ptr<frame_reader>> frame_reader::open(demuxer& source, int stream, const timeline& time) {
  source.select(std::array{stream});
  return std::unique_ptr<frame_reader>(new frame_reader(source, stream, time));
}

// -- going to a place -------------------------------------------------------------------------------------------------

result<void> frame_reader::position(std::int64_t start, int before, bool afresh) {
  keep_ = before == 0 ? 1 : 2 * static_cast<std::size_t>(before) + 2;
  went_on_ = false;
  if (!afresh) {
    auto there = go_on(start, before);
    if (!there)
      return tl::unexpected(there.error());
    if (*there) {
      went_on_ = true;
      return {};
    }
  }
  // Containers differ in where a seek lands, so step back until a keyframe is found that is shown early enough.
  int lost = 0;
  for (auto back = std::int64_t{0};; back = back == 0 ? time_.seconds(1) / 2 : back * 3) {
    const auto tried = seek(start, before, start - back, lost == 0 ? start : start - back);
    if (!tried)
      return tl::unexpected(tried.error());
    if (*tried == attempt::good || at_begin_)
      return {};
    // The keyframe was early enough, but damage or a missing reference swallowed what follows it.
    if (*tried == attempt::lost_frames && ++lost > most_lost)
      return {};
  }
}

/// False where decoding on would not give the right frames, or not for sure the same.
result<bool> frame_reader::go_on(std::int64_t start, int before) {
  if (!decoder_ || decoder_->damaged() || open_keyframe_ || forgotten_ >= start
      || start - last_ > time_.seconds(seconds_to_skip))
    return false;
  const bool knows_all = at_begin_ && forgotten_ == INT64_MIN;
  pending_.insert(pending_.begin(), std::make_move_iterator(given_.begin()), std::make_move_iterator(given_.end()));
  given_.clear();
  if (auto done = skip_to(start, before); !done)
    return tl::unexpected(done.error());
  const auto found = std::count_if(pending_.begin(), pending_.end(), [&](const auto& it) { return it->pts < start; });
  return !decoder_->damaged() && !open_keyframe_ && (found >= before || knows_all);
}

result<frame_reader::attempt> frame_reader::seek(std::int64_t start, int before, std::int64_t target,
                                                 std::int64_t latest) {
  ahead_.clear();
  pending_.clear();
  given_.clear();
  first_ = INT64_MAX;
  last_ = forgotten_ = INT64_MIN;
  ended_ = open_keyframe_ = false;
  at_begin_ = target <= 0;
  decoded_ = decoded();
  auto decoder = video_decoder::open(source_, stream_);
  if (!decoder)
    return tl::unexpected(decoder.error());
  decoder_ = std::move(*decoder);

  const auto pts = time_.pts(at_begin_ ? -time_.seconds(10) : target);
  if (auto done = source_.seek(stream_, pts); !done)
    return tl::unexpected(done.error());
  const auto found = find_keyframe(start, before, latest);
  if (!found)
    return tl::unexpected(found.error());
  if (!*found && !at_begin_)
    return attempt::too_late;
  if (auto done = skip_to(start, before); !done)
    return tl::unexpected(done.error());
  const auto early = std::count_if(pending_.begin(), pending_.end(), [&](const auto& it) { return it->pts < start; });
  return first_ <= start && early >= before ? attempt::good : attempt::lost_frames;
}

/// Reads ahead, and goes back to the last keyframe that is shown at or before `latest` and has `before` frames between
/// it and `start`.
result<bool> frame_reader::find_keyframe(std::int64_t start, int before, std::int64_t latest) {
  std::vector<std::size_t> keyframes; // indices into ahead_
  std::size_t bytes = 0;
  while (bytes < most_bytes_ahead) {
    const auto more = source_.read(*packet_);
    if (!more)
      return tl::unexpected(more.error());
    if (!*more) {
      ended_ = true; // what is ahead is all there is
      break;
    }
    const bool key = packet_->flags & AV_PKT_FLAG_KEY;
    if (key)
      keyframes.push_back(ahead_.size());
    else if (ahead_.empty() && !at_begin_)
      continue;
    bytes += static_cast<std::size_t>(packet_->size);
    const auto decoding_time = packet_->dts != no_pts ? packet_->dts : packet_->pts;
    auto packet = make_packet();
    av_packet_move_ref(packet.get(), packet_.get());
    ahead_.push_back(std::move(packet));
    if (decoding_time != no_pts && time_.ticks(decoding_time) > start)
      break;
  }
  for (const auto index : std::views::reverse(keyframes)) {
    const auto shown = ahead_[index]->pts;
    if (shown == no_pts || time_.ticks(shown) > latest)
      continue;
    const auto between = std::count_if(ahead_.begin() + static_cast<std::ptrdiff_t>(index), ahead_.end(),
                                       [&](const auto& p) { return p->pts >= shown && time_.ticks(p->pts) < start; });
    if (between < before)
      continue;
    at_begin_ = at_begin_ && index == 0;
    ahead_.erase(ahead_.begin(), ahead_.begin() + static_cast<std::ptrdiff_t>(index));
    return true;
  }
  return false;
}

/// Decodes up to the first frame at or after `start`, and keeps `before` of those before it.
result<void> frame_reader::skip_to(std::int64_t start, int before) {
  std::deque<frame_ptr> kept;
  for (;;) {
    frame_ptr frame;
    if (!pending_.empty()) {
      frame = std::move(pending_.front());
      pending_.pop_front();
    } else {
      auto decoded = decode();
      if (!decoded)
        return tl::unexpected(decoded.error());
      frame = std::move(*decoded);
    }
    if (frame && frame->pts < start) {
      kept.push_back(std::move(frame));
      if (kept.size() > static_cast<std::size_t>(before)) {
        forgotten_ = kept.front()->pts;
        kept.pop_front();
      }
      continue;
    }
    if (frame)
      pending_.push_front(std::move(frame));
    pending_.insert(pending_.begin(), std::make_move_iterator(kept.begin()), std::make_move_iterator(kept.end()));
    return {};
  }
}

// -- decoding ---------------------------------------------------------------------------------------------------------

result<frame_ptr> frame_reader::next() {
  frame_ptr frame;
  if (!pending_.empty()) {
    frame = std::move(pending_.front());
    pending_.pop_front();
  } else {
    auto decoded = decode();
    if (!decoded || !*decoded)
      return decoded;
    frame = std::move(*decoded);
  }
  frame_ptr copy(av_frame_clone(frame.get()));
  if (!copy)
    return fail(errc::internal, "no memory for a frame");
  given_.push_back(std::move(copy));
  if (given_.size() > keep_) {
    forgotten_ = given_.front()->pts;
    given_.pop_front();
  }
  return frame;
}

result<frame_ptr> frame_reader::decode() {
  for (;;) {
    if (source_.stop().raised())
      return tl::unexpected(source_.stop().why());
    auto frame = decoder_->receive();
    if (!frame) {
      if (decoder_->ended())
        return frame;
      if (auto done = feed(); !done)
        return tl::unexpected(done.error());
      continue;
    }
    frame->pts = time_.ticks(frame->pts);
    if (frame->pts <= last_)
      continue;
    last_ = frame->pts;
    first_ = std::min(first_, frame->pts);
    return frame;
  }
}

result<void> frame_reader::feed() {
  av_packet_unref(packet_.get());
  if (!ahead_.empty()) {
    av_packet_move_ref(packet_.get(), ahead_.front().get());
    ahead_.pop_front();
  } else if (!ended_) {
    const auto more = source_.read(*packet_);
    if (!more)
      return tl::unexpected(more.error());
    ended_ = !*more;
  }
  if (packet_->size == 0) {
    decoder_->send(nullptr);
    return {};
  }
  if (packet_->flags & AV_PKT_FLAG_KEY && !inspector_.is_closed_keyframe(*packet_))
    open_keyframe_ = true;
  decoder_->send(packet_.get());
  return {};
}

} // namespace vp::media
