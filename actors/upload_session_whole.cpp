// What a session does with its upload as a whole.

#include "actors/error.hpp"
#include "actors/upload_session.hpp"

#include <algorithm>
#include <utility>

namespace vp {

result<void> prepare_source(const data_folder& folder, const std::string& hash, std::uint64_t size) {
  if (auto made = make_folder(folder.video(hash)); !made)
    return made;
  auto source = file::open(folder.source(hash), file::mode::create);
  if (!source)
    return tl::unexpected(source.error());
  auto present = source->size();
  if (!present)
    return tl::unexpected(present.error());
  return *present == size ? result<void>{} : source->resize(size);
}

void upload_session_state::know_chunks(const std::vector<std::uint32_t>& indexes) {
  present_.assign(config_.video.total_chunks, false);
  received_ = 0;
  for (auto index : indexes)
    if (index < present_.size() && !present_[index]) {
      present_[index] = true;
      ++received_;
    }
}

/// Goes on with all chunks known: also those that came to another process.
template <class Promise, class Then>
void upload_session_state::learn_chunks(Promise promise, Then then) {
  if (!config_.shared) {
    then();
    return;
  }
  ++asking_;
  self_->request(config_.catalog, config_.deadline, chunk_atom_v, config_.video.hash)
      .then(
          [this, then](const std::vector<std::uint32_t>& indexes) mutable {
            --asking_;
            know_chunks(indexes);
            then();
          },
          [this, promise](const caf::error& problem) mutable {
            --asking_;
            promise.deliver(to_caf(from_caf(problem)));
          });
}

caf::result<std::vector<std::uint32_t>> upload_session_state::answer_missing() {
  auto promise = self_->make_response_promise<std::vector<std::uint32_t>>();
  learn_chunks(promise, [this, promise]() mutable { promise.deliver(missing()); });
  return promise;
}

std::vector<std::uint32_t> upload_session_state::missing() const {
  std::vector<std::uint32_t> indexes;
  for (std::uint32_t index = 0; index < present_.size(); ++index)
    if (!present_[index])
      indexes.push_back(index);
  return indexes;
}

result<void> upload_session_state::sync() const {
  auto& hash = config_.video.hash;
  auto source = file::open(config_.folder.source(hash), file::mode::write);
  if (!source)
    return tl::unexpected(source.error());
  if (auto synced = source->sync(); !synced)
    return synced;
  for (auto& folder : {config_.folder.video(hash), config_.folder.uploads(), config_.folder.root()})
    if (auto synced = sync_folder(folder); !synced)
      return synced;
  return {};
}

caf::result<video> upload_session_state::finalize() {
  auto promise = self_->make_response_promise<vp::video>();
  learn_chunks(promise, [this, promise] { finalize(promise); });
  return promise;
}

void upload_session_state::finalize(finalize_promise promise) {
  constexpr std::size_t shown = 10;
  if (auto indexes = missing(); !indexes.empty()) {
    auto text = std::to_string(indexes.size()) + " of " + std::to_string(present_.size()) + " chunks are missing:";
    for (std::size_t i = 0; i < std::min(shown, indexes.size()); ++i)
      text += (i == 0 ? " " : ", ") + std::to_string(indexes[i]);
    promise.deliver(to_caf(errc::conflict, indexes.size() > shown ? text + ", ..." : text));
    return;
  }
  auto& video = config_.video;
  if (video.status == video_status::uploading)
    if (auto synced = sync(); !synced) {
      promise.deliver(to_caf(synced.error()));
      return;
    }
  ++asking_;
  self_->request(config_.catalog, config_.deadline, finalize_atom_v, video.hash)
      .then(
          [this, promise](const vp::video& known) mutable {
            --asking_;
            if (std::exchange(config_.video.status, known.status) == video_status::uploading) {
              config_.metrics->finalized.Increment();
              if (config_.queue)
                self_->send(config_.queue, enqueue_atom_v, known.hash);
              tell_arrival();
            }
            promise.deliver(known);
          },
          [this, promise](const caf::error& problem) mutable {
            --asking_;
            promise.deliver(to_caf(from_caf(problem)));
          });
}

} // namespace vp
