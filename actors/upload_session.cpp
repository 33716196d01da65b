#include "actors/upload_session.hpp"

#include "actors/error.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace vp {

namespace {

const error lapsed{errc::timed_out, "the right to write this chunk has lapsed; send the chunk again"};

error no_more_chunks(video_status status) {
  return {errc::conflict, std::string{"this video takes no more chunks: it is "} + to_string(status)};
}

result<void> copy(const file& from, file& to, std::uint64_t offset, std::uint64_t length) {
  std::vector<unsigned char> buffer(256 * 1024);
  for (std::uint64_t done = 0; done < length;) {
    auto part =
        std::span{buffer}.first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), length - done)));
    auto n = from.read_at(done, part);
    if (!n)
      return tl::unexpected(n.error());
    if (*n == 0)
      return fail(errc::io_failed, "a spooled chunk has become shorter");
    if (auto written = to.write_at(offset + done, part.first(*n)); !written)
      return written;
    done += *n;
  }
  return {};
}

} // namespace

upload_session_impl::behavior_type upload_session(upload_session_state::pointer self, upload_session_config config) {
  return self->state.make_behavior(std::move(config));
}

upload_session_impl::behavior_type upload_session_state::make_behavior(upload_session_config config) {
  config_ = std::move(config);
  auto& video = config_.video;
  layout_ = chunk_layout{video.file_size, video.total_chunks};
  chunk_size_ = video.total_chunks == 1 ? video.file_size : video.chunk_size;
  // Not the number of an earlier session's.
  const auto now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now().time_since_epoch()).count();
  reading_ = 1 + static_cast<std::uint32_t>(now_ms % (1 << 30));
  know_chunks(config_.chunks);
  finder_ = media::index_finder{video.file_size};
  open_source();
  look_for_head();
  self_->set_down_handler([this](const caf::down_msg& down) {
    std::erase_if(watchers_, [&](auto& one) { return one.address() == down.source; });
    if (watchers_.empty()) { // as who spoke for the viewers
      wanted_.clear();
      hurried_ = false;
      answer_if_wanted();
    }
  });
  spoken_to_ = now();
  self_->delayed_send(self_, std::min(config_.idle, config_.ticket_timeout) / 4, tick_atom_v);
  return {
      [this](begin_atom, std::uint32_t index, std::uint64_t size) {
        spoken_to_ = now();
        return begin(index, size);
      },
      [this](write_atom, std::uint64_t ticket, const bytes& data) -> caf::result<void> {
        spoken_to_ = now();
        return to_caf(write(ticket, data));
      },
      [this](end_atom, std::uint64_t ticket) {
        spoken_to_ = now();
        return end(ticket);
      },
      [this](abort_atom, std::uint64_t ticket) {
        auto found = writers_.find(ticket);
        // Once it has ended a chunk is on its way to the catalog and can't be taken back.
        if (found != writers_.end() && found->second.ends.empty())
          abandon(ticket, lapsed);
      },
      [this](missing_atom) {
        spoken_to_ = now();
        return answer_missing();
      },
      [this](finalize_atom) {
        spoken_to_ = now();
        return finalize();
      },
      [this](await_atom, std::uint64_t offset, std::uint64_t length, bool acknowledged) {
        spoken_to_ = now();
        return await(offset, length, acknowledged);
      },
      [this](watch_atom, const arrival_listener& listener) { watch(listener); },
      [this](want_atom, std::vector<media::byte_range>& ranges, bool hurried) {
        wanted_ = std::move(ranges);
        hurried_ = hurried;
        answer_if_wanted();
      },
      [this](tick_atom) { tick(); },
      [this](arrive_atom) {
        pausing_ = false;
        if (untold_ != news::none)
          tell_watchers(untold_);
      },
      [this](end_atom) { answer_held(now()); },
      [this](watch_atom) { learn_arrival(); },
      [this](retry_atom, std::uint32_t index) { lock(index); },
  };
}

/// Nobody waits for an answer that can't come any more.
upload_session_state::~upload_session_state() {
  auto ended = to_caf(errc::overloaded, "the upload's session has ended; try again");
  for (auto& [ticket, held] : writers_)
    for (auto& promise : held.ends)
      promise.deliver(ended);
  for (auto& [index, queue] : waiting_)
    for (auto& one : queue)
      one.answer.deliver(ended);
  for (auto& one : readers_)
    one.answer.deliver(ended);
  answer_held(time_point::max());
}

void upload_session_state::open_source() {
  auto& video = config_.video;
  if (video.status != video_status::uploading) {
    source_ = tl::unexpected(no_more_chunks(video.status));
    return;
  }
  source_ = file::open(config_.folder.source(video.hash), file::mode::write);
  if (!source_ && source_.error().code == errc::not_found)
    source_ = fail(errc::conflict, "what was uploaded is gone from the server's disk; begin the upload again");
}

// -- chunks ---------------------------------------------------------------------------------------

result<void> upload_session_state::check_size(std::uint32_t index, std::uint64_t size) const {
  if (chunk_size_ == 0) {
    auto implied = layout_.chunk_size_from(index, size);
    return implied ? result<void>{} : tl::unexpected(implied.error());
  }
  if (auto expected = layout_.size(index, chunk_size_); size != expected)
    return fail(errc::invalid_request, "chunk " + std::to_string(index) + " must have " + std::to_string(expected)
                                           + " bytes and has " + std::to_string(size));
  return {};
}

caf::result<chunk_ticket> upload_session_state::begin(std::uint32_t index, std::uint64_t size) {
  if (index >= present_.size())
    return to_caf(errc::invalid_request, "there is no chunk " + std::to_string(index) + ": this upload has "
                                             + std::to_string(present_.size()) + ", counted from 0");
  if (size != 0)
    if (auto fits = check_size(index, size); !fits)
      return to_caf(fits.error());
  // Of a chunk that came to another process it may be known that it is there, and not yet what size it has.
  auto settled = present_[index] && chunk_size_ != 0;
  if (!settled && (holders_.contains(index) || config_.shared)) {
    if (!source_)
      return to_caf(source_.error());
    auto& queue = waiting_[index];
    if (queue.size() >= config_.max_writers)
      return to_caf(errc::overloaded, "too many send this chunk at the same time");
    auto promise = self_->make_response_promise<chunk_ticket>();
    queue.push_back({promise, now()});
    if (config_.shared && locks_.insert(index).second)
      lock(index);
    return promise;
  }
  return to_caf(grant(index));
}

result<chunk_ticket> upload_session_state::grant(std::uint32_t index) {
  auto max_size = chunk_size_ == 0 ? layout_.largest_size(index) : layout_.size(index, chunk_size_);
  if (present_[index]) {
    auto ticket = next_ticket_++;
    settle(ticket, index);
    return chunk_ticket{ticket, true, max_size};
  }
  if (writers_.size() >= config_.max_writers)
    return fail(errc::overloaded, "too many chunks of this upload are being sent at the same time");
  if (!source_)
    return tl::unexpected(source_.error());
  writer granted;
  granted.index = index;
  granted.max_size = max_size;
  granted.since = granted.used = now();
  if (chunk_size_ == 0) {
    auto spool = file::nameless(config_.folder.video(config_.video.hash));
    if (!spool)
      return tl::unexpected(spool.error());
    granted.spool = std::move(*spool);
  }
  auto ticket = next_ticket_++;
  holders_.emplace(index, ticket);
  writers_.emplace(ticket, std::move(granted));
  return chunk_ticket{ticket, false, max_size};
}

/// Gets an index that somebody waits for away from all other processes, as soon as none of them holds it.
void upload_session_state::lock(std::uint32_t index) {
  if (!waiting_.contains(index)) {
    locks_.erase(index);
    return;
  }
  auto got = source_->try_lock_byte(index);
  if (!got) {
    refuse(index, got.error());
  } else if (!*got) {
    self_->delayed_send(self_, config_.lock_poll, retry_atom_v, index);
  } else {
    self_->request(config_.catalog, config_.deadline, get_atom_v, config_.video.hash, index)
        .then([this, index](const video& known, bool present) { locked(index, known, present); },
              [this, index](const caf::error& problem) { refuse(index, from_caf(problem)); });
  }
}

void upload_session_state::locked(std::uint32_t index, const video& known, bool present) {
  if (known.id != config_.video.id) {
    refuse(index, {errc::overloaded, "the upload has just been begun anew; try again"});
    self_->quit(); // it needs another session
    return;
  }
  received_ = std::max(received_, known.received_chunks);
  if (chunk_size_ == 0)
    chunk_size_ = known.chunk_size;
  present_[index] = present;
  if (!present && known.status != video_status::uploading)
    refuse(index, no_more_chunks(known.status));
  else
    release(index);
}

void upload_session_state::unlock(std::uint32_t index) {
  if (locks_.erase(index) != 0)
    source_->unlock_byte(index);
}

/// Answers all who wait for an index.
void upload_session_state::refuse(std::uint32_t index, const error& reason) {
  if (auto node = waiting_.extract(index))
    for (auto& one : node.mapped())
      one.answer.deliver(to_caf(reason));
  unlock(index);
}

/// Remembers, for a while, that this ticket's chunk is there.
void upload_session_state::settle(std::uint64_t ticket, std::uint32_t index) {
  constexpr std::size_t remembered = 1024;
  settled_.emplace_back(ticket, index);
  if (settled_.size() > remembered)
    settled_.pop_front();
}

std::optional<std::uint32_t> upload_session_state::settled(std::uint64_t ticket) const {
  auto found = std::find_if(settled_.begin(), settled_.end(), [&](auto& one) { return one.first == ticket; });
  return found == settled_.end() ? std::nullopt : std::optional{found->second};
}

result<void> upload_session_state::write(std::uint64_t ticket, const bytes& data) {
  auto found = writers_.find(ticket);
  if (found == writers_.end() && settled(ticket))
    return {};
  if (found == writers_.end() || !found->second.ends.empty())
    return tl::unexpected(lapsed);
  auto& to = found->second;
  to.used = now();
  auto give_up = [&](error reason) -> result<void> {
    abandon(ticket, reason);
    return tl::unexpected(std::move(reason));
  };
  if (data.size() > config_.max_write)
    return give_up({errc::internal, "a write of " + std::to_string(data.size()) + " bytes is too long"});
  if (data.size() > to.max_size - to.position)
    return give_up({errc::invalid_request, "chunk " + std::to_string(to.index) + " has more than the "
                                               + std::to_string(to.max_size) + " bytes that belong in it"});
  auto written = to.spool ? to.spool.write_at(to.position, data.view())
                          : source_->write_at(layout_.offset(to.index, chunk_size_) + to.position, data.view());
  if (!written)
    return give_up(written.error());
  to.position += data.size();
  config_.metrics->upload_bytes.Increment(static_cast<double>(data.size()));
  if (!to.spool) {
    tell_readers();
    tell_watchers(news::bytes);
  }
  return {};
}

caf::result<chunk_receipt> upload_session_state::end(std::uint64_t ticket) {
  auto found = writers_.find(ticket);
  if (found == writers_.end()) {
    auto index = settled(ticket);
    return index ? caf::result<chunk_receipt>{receipt(*index)} : to_caf(lapsed);
  }
  auto& ended = found->second;
  auto promise = self_->make_response_promise<chunk_receipt>();
  ended.ends.push_back(promise);
  if (ended.ends.size() > 1)
    return promise; // said twice
  if (chunk_size_ == 0 && config_.shared)
    settle_chunk_size(ticket);
  else
    place(ticket);
  return promise;
}

/// All processes must put chunks where one size has them: the first one that is whole anywhere says which.
void upload_session_state::settle_chunk_size(std::uint64_t ticket) {
  auto& ended = writers_.at(ticket);
  auto implied = layout_.chunk_size_from(ended.index, ended.position);
  if (!implied) {
    abandon(ticket, implied.error());
    return;
  }
  self_->request(config_.catalog, config_.deadline, chunk_atom_v, config_.video.hash, config_.video.id, *implied)
      .then(
          [this, ticket](std::uint64_t settled) {
            chunk_size_ = settled;
            place(ticket);
          },
          [this, ticket](const caf::error& problem) { abandon(ticket, from_caf(problem)); });
}

void upload_session_state::place(std::uint64_t ticket) {
  auto& ended = writers_.at(ticket);
  if (auto placed = put_in_place(ended); !placed) {
    abandon(ticket, placed.error());
    return;
  }
  // Another process must not write there while the catalog may still come to know of the chunk.
  auto deadline = config_.shared ? caf::duration{caf::infinite} : caf::duration{config_.deadline};
  self_
      ->request(config_.catalog, deadline, chunk_atom_v, config_.video.hash, config_.video.id, ended.index, chunk_size_)
      .then([this, ticket](const video& known) { recorded(ticket, known); },
            [this, ticket](const caf::error& problem) { abandon(ticket, from_caf(problem)); });
}

result<void> upload_session_state::put_in_place(writer& which) {
  if (auto fits = check_size(which.index, which.position); !fits)
    return fits;
  if (chunk_size_ == 0) // `check_size` has just found that there is one
    chunk_size_ = *layout_.chunk_size_from(which.index, which.position);
  auto offset = layout_.offset(which.index, chunk_size_);
  if (which.spool) {
    if (auto copied = copy(which.spool, *source_, offset, which.position); !copied)
      return copied;
    which.spool = {};
  }
  source_->start_writeback(offset, which.position);
  return {};
}

void upload_session_state::recorded(std::uint64_t ticket, const video& known) {
  auto node = writers_.extract(ticket);
  if (node.empty())
    return;
  auto index = node.mapped().index;
  present_[index] = true;
  received_ = std::max(received_, known.received_chunks);
  config_.metrics->chunks.Increment();
  give_receipts(std::move(node.mapped()));
  settle(ticket, index); // its owner may say it again
  holders_.erase(index);
  release(index);
  tell_arrival();
}

void upload_session_state::abandon(std::uint64_t ticket, const error& reason) {
  auto node = writers_.extract(ticket);
  if (node.empty())
    return;
  auto& gone = node.mapped();
  for (auto& promise : gone.ends)
    promise.deliver(to_caf(reason));
  holders_.erase(gone.index);
  if (!gone.spool && gone.position > 0) {
    ++reading_;
    // Nobody need wait for more of what may come otherwise.
    std::erase_if(readers_, [this](reader& one) {
      if (!one.acknowledged)
        one.answer.deliver(media::byte_range{}, reading_);
      return !one.acknowledged;
    });
    tell_watchers(news::chunk);
  }
  release(gone.index);
  answer_if_wanted(); // it may be this one, which nobody sends now
}

/// Lets those go on who waited for an index: all of them when the chunk is there by now, else one.
void upload_session_state::release(std::uint32_t index) {
  if (auto node = waiting_.extract(index)) {
    auto& queue = node.mapped();
    while (!queue.empty() && !holders_.contains(index)) {
      auto next = std::move(queue.front());
      queue.pop_front();
      if (auto ticket = grant(index))
        next.answer.deliver(*ticket);
      else
        next.answer.deliver(to_caf(ticket.error()));
    }
    if (!queue.empty())
      waiting_.insert(std::move(node));
  }
  if (!holders_.contains(index))
    unlock(index);
}

void upload_session_state::tick() {
  auto unused_since = now() - config_.ticket_timeout;
  std::vector<std::uint64_t> unused;
  for (auto& [ticket, held] : writers_)
    if (held.ends.empty() && held.used <= unused_since)
      unused.push_back(ticket);
  for (auto ticket : unused)
    abandon(ticket, lapsed);
  for (auto& [index, queue] : waiting_)
    while (!queue.empty() && queue.front().since <= unused_since) {
      queue.front().answer.deliver(to_caf(errc::timed_out, "somebody else is still sending this chunk"));
      queue.pop_front();
    }
  std::erase_if(waiting_, [](auto& one) { return one.second.empty(); });
  std::erase_if(readers_, [&](reader& one) {
    auto over = one.since <= unused_since;
    if (over)
      one.answer.deliver(to_caf(errc::timed_out, "the bytes have not arrived"));
    return over;
  });
  if (writers_.empty() && waiting_.empty() && readers_.empty() && watchers_.empty() && asking_ == 0
      && now() - spoken_to_ >= config_.idle)
    self_->quit();
  else
    self_->delayed_send(self_, std::min(config_.idle, config_.ticket_timeout) / 4, tick_atom_v);
}

} // namespace vp
