// What has arrived, for those who read an upload before it is whole.

#include "actors/error.hpp"
#include "actors/upload_session.hpp"
#include "media/growing.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace vp {

namespace {

/// Behind the index, or at the beginning where the index is far from there: what it takes to know the streams and to
/// have a first picture.
constexpr std::uint64_t head_size = std::uint64_t{1} << 20U;

} // namespace

bool upload_session_state::is_whole() const {
  return config_.video.status != video_status::uploading;
}

/// How many bytes of a chunk are there; while it is on its way, those that have come, unless they must be acknowledged.
std::uint64_t upload_session_state::there_of(std::size_t index, bool acknowledged) const {
  const auto number = static_cast<std::uint32_t>(index);
  if (index >= present_.size() || chunk_size_ == 0)
    return 0;
  if (present_[index])
    return layout_.size(number, chunk_size_);
  const auto holder = holders_.find(number);
  if (acknowledged || holder == holders_.end())
    return 0;
  const auto& writing = writers_.at(holder->second);
  return writing.spool ? 0 : writing.position;
}

/// What is there around these bytes; nothing while some of them are not.
std::optional<media::byte_range> upload_session_state::there_around(std::uint64_t offset, std::uint64_t length,
                                                                    bool acknowledged) const {
  const auto size = config_.video.file_size;
  if (is_whole())
    return media::byte_range{0, size};
  if (chunk_size_ == 0)
    return std::nullopt;
  const auto there_until = [&](std::size_t index) { return index * chunk_size_ + there_of(index, acknowledged); };
  const auto is_full = [&](std::size_t index) {
    return index < present_.size() && there_until(index) == std::min(size, (index + 1) * chunk_size_);
  };
  const auto end = std::min(size, offset + length);
  auto last = static_cast<std::size_t>((std::max<std::uint64_t>(end, 1) - 1) / chunk_size_);
  auto first = std::min(last, static_cast<std::size_t>(offset / chunk_size_));
  for (auto index = first; index <= last; ++index)
    if (there_until(index) < std::min(end, (index + 1) * chunk_size_))
      return std::nullopt;
  while (first > 0 && is_full(first - 1))
    --first;
  while (is_full(last) && there_of(last + 1, acknowledged) > 0)
    ++last;
  return media::byte_range{first * chunk_size_, there_until(last)};
}

bool upload_session_state::is_acknowledged(const media::byte_range& what) const {
  return there_around(what.begin, what.size(), true).has_value();
}

arrival upload_session_state::arrived() const {
  arrival now;
  now.reading = reading_;
  now.whole = is_whole();
  now.grows = grows_.value_or(false);
  const auto size = config_.video.file_size;
  if (now.whole)
    now.present.push_back({0, size});
  else if (chunk_size_ != 0)
    for (std::size_t index = 0; index < present_.size(); ++index) {
      if (!present_[index])
        continue;
      const auto begin = index * chunk_size_;
      const auto end = std::min(size, begin + chunk_size_);
      if (!now.present.empty() && now.present.back().end == begin)
        now.present.back().end = end;
      else
        now.present.push_back({begin, end});
    }
  for (const auto& [ticket, writing] : writers_)
    if (const auto there = there_of(writing.index, false); !now.whole && there > 0) {
      const auto begin = layout_.offset(writing.index, chunk_size_);
      now.arriving.push_back({begin, begin + there});
    }
  std::ranges::sort(now.arriving, {}, &media::byte_range::begin);
  return now;
}

caf::result<media::byte_range, std::uint32_t> upload_session_state::await(std::uint64_t offset, std::uint64_t length,
                                                                          bool acknowledged) {
  if (offset > config_.video.file_size || length > config_.video.file_size - offset)
    return to_caf(errc::invalid_request, "the file has no such bytes");
  if (auto there = there_around(offset, length, acknowledged))
    return {*there, reading_};
  auto promise = self_->make_response_promise<media::byte_range, std::uint32_t>();
  readers_.push_back({offset, length, acknowledged, promise, now()});
  answer_if_wanted();
  look_elsewhere();
  return promise;
}

void upload_session_state::watch(const arrival_listener& listener) {
  self_->monitor(listener);
  watchers_.push_back(listener);
  self_->send(listener, arrive_atom_v, arrived());
  look_elsewhere();
}

/// To be called when a chunk has been acknowledged, here or elsewhere, or the upload is whole.
void upload_session_state::tell_arrival() {
  tell_watchers(news::chunk);
  tell_readers();
  look_for_head();
}

void upload_session_state::tell_readers() {
  std::erase_if(readers_, [this](reader& one) {
    auto there = there_around(one.offset, one.length, one.acknowledged);
    if (there)
      one.answer.deliver(*there, reading_);
    return there.has_value();
  });
}

/// Not of each chunk: there may be a hundred thousand, and as many gaps between them. But a chunk does not wait because
/// a part of it has just been told.
void upload_session_state::tell_watchers(news what) {
  if (watchers_.empty())
    return;
  if (pausing_ && !is_whole() && what <= told_) {
    untold_ = std::max(untold_, what);
    return;
  }
  told_ = what;
  untold_ = news::none;
  const auto now_there = arrived();
  for (auto& listener : watchers_)
    self_->send(listener, arrive_atom_v, now_there);
  if (!std::exchange(pausing_, true))
    self_->delayed_send(self_, config_.arrival_pause, arrive_atom_v);
}

/// Chunks may come to other processes, which tell the catalog.
void upload_session_state::look_elsewhere() {
  if (!config_.shared || looking_elsewhere_ || is_whole() || (watchers_.empty() && readers_.empty()))
    return;
  looking_elsewhere_ = true;
  self_->delayed_send(self_, config_.arrival_poll, watch_atom_v);
}

void upload_session_state::learn_arrival() {
  auto go_on = [this] {
    looking_elsewhere_ = false;
    look_elsewhere();
  };
  auto failed = [go_on](const caf::error&) { go_on(); };
  auto& hash = config_.video.hash;
  self_->request(config_.catalog, config_.deadline, get_atom_v, hash)
      .then(
          [this, go_on, failed, hash](const video& known) {
            config_.video.status = known.status;
            if (chunk_size_ == 0)
              chunk_size_ = known.chunk_size;
            self_->request(config_.catalog, config_.deadline, chunk_atom_v, hash)
                .then(
                    [this, go_on](const std::vector<std::uint32_t>& indexes) {
                      auto before = std::exchange(present_, {});
                      know_chunks(indexes);
                      if (before != present_ || is_whole())
                        tell_arrival();
                      go_on();
                    },
                    failed);
          },
          failed);
}

/// Tells the job manager when enough is there to plan the video, or the beginning of one that grows: its index, where
/// it has one, and the first of its pictures.
void upload_session_state::look_for_head() {
  if (!config_.jobs || is_whole() || !source_)
    return;
  while (finder_.state() == media::index_finder::outcome::searching) {
    const auto wanted = finder_.wanted();
    std::array<unsigned char, 16> header{};
    const auto into = std::span{header}.first(static_cast<std::size_t>(wanted.size()));
    if (!is_acknowledged(wanted))
      return;
    const auto got = source_->read_at(wanted.begin, into);
    if (!got || *got != into.size())
      return;
    finder_.take(into);
  }
  if (!grows_)
    grows_ = find_out_growth();
  const auto index = finder_.index(); // none, where it grows without one
  if (!grows_ || (!*grows_ && index.empty()))
    return;
  const auto size = config_.video.file_size;
  // The index is at one end or the other.
  const auto head = index.begin < head_size ? std::min(size, index.end + head_size) : std::min(size, head_size);
  if (is_acknowledged({0, head}))
    self_->send(config_.jobs, preview_atom_v, config_.video.hash, upload_session_actor{self_});
}

/// Whether the file can be watched as one that grows; nothing while that can't be seen.
std::optional<bool> upload_session_state::find_out_growth() const {
  const auto index = finder_.index();
  const auto head = std::min<std::uint64_t>(config_.video.file_size, media::growing_head);
  if (!is_acknowledged(index.empty() ? media::byte_range{0, head} : index))
    return std::nullopt;
  auto source = media::open_file(config_.folder.source(config_.video.hash));
  if (!source)
    return std::nullopt;
  if (!index.empty())
    return media::is_fragmented(**source, index);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(head));
  const auto got = (*source)->read(0, bytes);
  return got ? std::optional(media::begins_like_growing(std::span(bytes).first(*got))) : std::nullopt;
}

} // namespace vp
