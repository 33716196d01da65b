#include "media/segment_encoder.hpp"

#include "media/audio_encoder.hpp"
#include "media/growing.hpp"
#include "media/ladder.hpp"
#include "media/poster.hpp"
#include "media/video_copier.hpp"
#include "media/video_segments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace vp::media {

namespace {

template <class T, class Open>
result<void> open_once(std::unique_ptr<T>& it, Open open) {
  if (it)
    return {};
  auto opened = open();
  if (!opened)
    return tl::unexpected(opened.error());
  it = std::move(*opened);
  return {};
}

class ladder_encoder final : public segment_encoder {
public:
  ladder_encoder(byte_source& source, plan plan, bool decodes_ahead)
      : source_(source, plan.grows() ? plan.seen : source.size()), plan_(std::move(plan)),
        decodes_ahead_(decodes_ahead) {}

  result<std::vector<fragment>> encode(const segment& cell, std::span<const std::string> renditions,
                                       const interrupt& stop) override {
    for (const auto& id : renditions)
      if (id != poster_id
          && std::none_of(plan_.renditions.begin(), plan_.renditions.end(), [&](const auto& r) { return r.id == id; }))
        return fail(errc::invalid_request, fmt::format("the plan has no rendition {}", id));
    std::vector<bool> wanted; // as many as there are rungs
    bool audio_wanted = false;
    for (const auto& rendition : plan_.renditions) {
      const bool it =
          renditions.empty() || std::find(renditions.begin(), renditions.end(), rendition.id) != renditions.end();
      if (rendition.kind == media_kind::video)
        wanted.push_back(it);
      else
        audio_wanted = it;
    }
    std::vector<fragment> fragments;
    if (cell.frames > 0 && copies(plan_) && wanted.front()) {
      if (auto done = copy_video(cell, stop, fragments); !done)
        return tl::unexpected(done.error());
      wanted.front() = false;
    }
    if (cell.frames > 0 && std::find(wanted.begin(), wanted.end(), true) != wanted.end())
      if (auto done = encode_video(cell, wanted, stop, fragments); !done)
        return tl::unexpected(done.error());
    if (cell.audio_end > cell.audio_start && audio_wanted)
      if (auto done = encode_audio(cell, stop, fragments); !done)
        return tl::unexpected(done.error());
    if (std::find(renditions.begin(), renditions.end(), poster_id) != renditions.end())
      if (auto done = add_poster(cell, stop, fragments); !done)
        return tl::unexpected(done.error());
    return fragments;
  }

  std::uint64_t decoded_frames() const noexcept override { return video_ ? video_->decoded_frames() : 0; }

private:
  result<void> copy_video(const segment& cell, const interrupt& stop, std::vector<fragment>& into) {
    if (auto done = open_once(copier_, [&] { return video_copier::open(source_, plan_, stop); }); !done)
      return done;
    auto made = copier_->copy(cell, stop);
    if (!made)
      return tl::unexpected(made.error());
    into.push_back(std::move(*made));
    return {};
  }

  result<void> encode_video(const segment& cell, const std::vector<bool>& wanted, const interrupt& stop,
                            std::vector<fragment>& into) {
    if (auto done = open_once(video_, [&] { return video_segments::open(source_, plan_, stop, decodes_ahead_); });
        !done)
      return done;
    auto made = video_->encode(cell, wanted, stop);
    if (!made)
      return tl::unexpected(made.error());
    std::move(made->begin(), made->end(), std::back_inserter(into));
    return {};
  }

  result<void> encode_audio(const segment& cell, const interrupt& stop, std::vector<fragment>& into) {
    if (auto done = open_once(audio_, [&] { return audio_encoder::open(source_, plan_); }); !done)
      return done;
    auto made = audio_->encode(cell, stop);
    if (!made)
      return tl::unexpected(made.error());
    into.push_back(std::move(*made));
    return {};
  }

  /// A video can do without.
  result<void> add_poster(const segment& cell, const interrupt& stop, std::vector<fragment>& into) {
    fragment made;
    made.rendition = poster_id;
    made.segment = cell.number;
    if (auto poster = make_poster(source_, plan_, stop))
      made.bytes = std::move(*poster);
    else if (stop.raised() || poster.error().code == errc::cancelled)
      return tl::unexpected(stop.raised() ? stop.why() : poster.error());
    into.push_back(std::move(made));
    return {};
  }

  beginning source_;
  plan plan_;
  bool decodes_ahead_;
  std::unique_ptr<video_copier> copier_; // each is opened when it is first needed
  std::unique_ptr<video_segments> video_;
  std::unique_ptr<audio_encoder> audio_;
};

} // namespace

result<std::unique_ptr<segment_encoder>> segment_encoder::open(byte_source& source, const plan& plan,
                                                               bool decodes_ahead) {
  if (plan.renditions.empty())
    return fail(errc::invalid_request, "the plan has no renditions");
  return std::make_unique<ladder_encoder>(source, plan, decodes_ahead);
}

} // namespace vp::media
