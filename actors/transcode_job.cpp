#include "actors/transcode_job.hpp"

#include "actors/error.hpp"
#include "actors/timeline.hpp"
#include "media/analyze.hpp"
#include "media/ladder.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace vp {

namespace {

constexpr auto fallback_encoder = "libx264";

} // namespace

transcode_job_state::~transcode_job_state() {
  refuse_wishes();
  caf::anon_send_exit(segmenter_, caf::exit_reason::user_shutdown);
}

transcode_job_impl::behavior_type transcode_job_state::make_behavior(transcode_job_config config, catalog_actor catalog,
                                                                     dispatcher_actor dispatcher,
                                                                     segmenter_actor segmenter,
                                                                     finish_listener listener) {
  config_ = std::move(config);
  catalog_ = std::move(catalog);
  dispatcher_ = std::move(dispatcher);
  segmenter_ = std::move(segmenter);
  listener_ = std::move(listener);
  retrier_.emplace(self_, config_.retry);
  outcome_.video_hash = config_.video_hash;
  self_->monitor(segmenter_);
  self_->monitor(dispatcher_);
  self_->set_down_handler([this](caf::down_msg& down) { handle_down(down); });
  tick();
  claim_video();
  return {
      [this](result_atom, const segment_result& what) { handle_result(what); },
      [this](begin_atom, std::vector<cell_part>& running) {
        running_ = std::move(running);
        changed_ = true;
      },
      [this](fail_atom, const std::string& video_hash, std::uint32_t segment, const caf::error& why) {
        auto found = cells_.find(segment);
        if (stage_ == stage::encoding && video_hash == config_.video_hash && found != cells_.end()
            && (found->second.missing & ~found->second.storing) != 0)
          give_up_segment(segment, from_caf(why));
      },
      [this](arrive_atom, const arrival& now) { handle_arrival(now); },
      [this](wish_atom, const fragment_wish& what) { return wish(what); },
      [this](await_atom, const std::string&, std::uint64_t id) { return await(id); },
      [this](abort_atom, const std::string&, std::uint64_t id) {
        if (std::erase_if(wishes_, [id](const auto& one) { return one.id == id; }) != 0)
          rank_wishes();
      },
      [this](progress_atom) { return snapshot(); },
      [this](cancel_atom, bool give_back) -> caf::result<void> {
        auto answer = self_->make_response_promise();
        cancellers_.push_back(answer);
        end(give_back ? job_end::put_back : job_end::cancelled, "cancelled");
        return answer;
      },
      [this](tick_atom) { tick(); },
      [this](retry_atom, std::uint64_t id) { retrier_->wake(id); },
  };
}

template <class R, class Then, class... Ts>
void transcode_job_state::write(Then then, Ts... xs) {
  auto answered = [this, then](auto answer) mutable {
    if (stage_ == stage::ending)
      return;
    if (answer) {
      if constexpr (std::is_void_v<R>)
        then();
      else
        then(*answer);
    } else if (answer.error().code == errc::stale || answer.error().code == errc::not_found) {
      end(job_end::cancelled, answer.error().text);
    } else {
      end(job_end::put_back, answer.error().text);
    }
  };
  retrier_->template ask<R>(catalog_, config_.request_timeout, answered, std::move(xs)...);
}

// -- claim and plan -------------------------------------------------------------------------------

void transcode_job_state::claim_video() {
  auto answered = [this](result<claimed_job> answer) {
    if (answer && stage_ == stage::ending)
      claim_ = answer->claim; // To be released, if there is still time.
    if (stage_ == stage::ending)
      return;
    if (answer)
      claimed(*answer);
    else if (answer.error().code == errc::not_found)
      end(job_end::cancelled, answer.error().text);
    else if (answer.error().code == errc::incomplete)
      end(job_end::not_yet, answer.error().text);
    else if (config_.upload)
      end(job_end::busy, answer.error().text);
    else if (answer.error().code == errc::conflict)
      find_out_why_not(answer.error().text);
    else
      end(job_end::put_back, answer.error().text);
  };
  auto ask = [&](auto what) {
    retrier_->ask<claimed_job>(catalog_, config_.request_timeout, answered, what, config_.video_hash, config_.owner,
                               config_.url, config_.claim_lifetime);
  };
  if (config_.upload)
    ask(preview_atom_v);
  else
    ask(claim_atom_v);
}

/// Somebody else is at work, or there is nothing to do.
void transcode_job_state::find_out_why_not(const std::string& reason) {
  auto answered = [this, reason](result<video> answer) {
    if (stage_ == stage::ending)
      return;
    if (!answer)
      end(answer.error().code == errc::not_found ? job_end::cancelled : job_end::put_back, answer.error().text);
    else if (answer->status == video_status::completed)
      end(job_end::completed, {});
    else if (answer->status == video_status::failed)
      end(job_end::failed, answer->error);
    else if (answer->status == video_status::uploading)
      end(job_end::cancelled, "the upload is not finished");
    else
      end(job_end::busy, reason);
  };
  retrier_->ask<video>(catalog_, config_.request_timeout, answered, get_atom_v, config_.video_hash);
}

void transcode_job_state::claimed(claimed_job& job) {
  claim_ = job.claim;
  whole_ = claimed_whole_ = !config_.upload;
  has_poster_ = job.video.has_poster;
  // No number of an earlier job's: who has one may still take it back.
  last_wish_ = job.claim.epoch << 20U;
  moved_ = self_->clock().now();
  renew_at_ = moved_ + config_.renewal;
  file_size_ = job.video.file_size;
  source_ = {config_.video_hash, config_.source_path, file_size_, job.claim.epoch, arrival_state()};
  config_.settings.salt = fmt::format("{}.{}", job.video.id, job.video.uploads);
  known_fragments_ = std::move(job.fragments);
  if (!whole_)
    follow_upload();
  continues_ = job.planned;
  if (job.planned && job.plan.grows()) {
    take_plan({std::move(job.plan), std::move(job.segments), {}}); // what is found now has to go on with it
  } else if (job.planned) {
    open({std::move(job.plan), std::move(job.segments), {}});
    return;
  }
  analyze();
}

void transcode_job_state::analyze() {
  stage_ = stage::analyzing;
  publish();
  look_if_due();
}

void transcode_job_state::keep_plan(const media::analysis& what, std::function<void()> then) {
  write<void>(std::move(then), plan_atom_v, *claim_, what);
}

void transcode_job_state::open(media::analysis what) {
  stage_ = stage::opening;
  looking_ = false;
  tell_upload();
  take_plan(what);
  auto continued = what.inits.empty();
  auto answered = [this, continued](result<std::vector<stored_fragment>> kept) {
    if (stage_ != stage::opening)
      return;
    if (kept)
      start_encoding(*kept);
    else if (continued && kept.error().code == errc::not_found)
      analyze();
    else
      fail_video("The video can't be stored: " + kept.error().text);
  };
  retrier_->ask<std::vector<stored_fragment>>(segmenter_, config_.finish_timeout, answered, open_atom_v,
                                              std::move(what), known_fragments_);
}

void transcode_job_state::take_plan(const media::analysis& what) {
  plan_ = what.plan;
  segments_ = what.segments;
  if (plan_.grows())
    keep_encoder();
  totals_.clear();
  for (const auto& rendition : plan_.renditions)
    totals_.push_back(
        {rendition.name,
         0,
         static_cast<std::uint32_t>(std::count_if(segments_.begin(), segments_.end(),
                                                  [&](const auto& cell) { return has_media(rendition, cell); })),
         {},
         {},
         rendition.encoder == media::copied});
}

/// The next look must not choose another.
void transcode_job_state::keep_encoder() {
  for (const auto& rendition : plan_.renditions)
    if (rendition.kind == media::media_kind::video && rendition.encoder != media::copied)
      config_.settings.encoder = rendition.encoder;
}

// -- segments -------------------------------------------------------------------------------------

void transcode_job_state::start_encoding(const std::vector<stored_fragment>& kept) {
  // What is kept is in the same order.
  std::vector<stored_fragment> gone;
  auto next = kept.begin();
  for (const auto& x : known_fragments_)
    if (next != kept.end() && *next == x)
      ++next;
    else
      gone.push_back(x);
  if (!gone.empty())
    write<void>([] {}, remove_atom_v, *claim_, gone);
  for (const auto& x : kept)
    stored_[x.rendition].insert(x.segment);
  job_order order{source_, plan_, take_cells(), {}};
  order.first = beginning();
  stage_ = stage::encoding;
  speed_.start(self_->clock().now());
  publish();
  if (!order.cells.empty() || plan_.grows())
    self_->send(dispatcher_, open_atom_v, std::move(order), order_listener{self_});
  package_if_done();
}

/// Makes the plan's cells the job's, those that it has not; answers what is to be done of these.
std::vector<cell_order> transcode_job_state::take_cells() {
  std::vector<cell_order> more;
  // While it is not known how long the video will be there is no telling where its poster is.
  constexpr auto nowhere = std::numeric_limits<std::uint32_t>::max();
  const auto poster_cell =
      has_poster_ || plan_.grows() ? nowhere : media::poster_cell(plan_, segments_).value_or(nowhere);
  for (const auto& cell : segments_) {
    auto [at, is_new] = cells_.try_emplace(cell.number, cell_work{cell, 0, 0, ready_bits(cell)});
    auto& work = at->second;
    rendition_bits wanted = 0;
    if (is_new)
      for (const auto& id : ids_of(plan_, renditions_in(plan_, cell)))
        if (!stored_[id].contains(cell.number))
          wanted |= bit_of(plan_, id);
    if (poster_cell == cell.number)
      wanted |= poster_bit(plan_);
    if (wanted != 0 && work.missing == 0) {
      ++unfinished_;
      seconds_left_ += seconds_of(plan_, cell);
    }
    work.missing |= wanted;
    if (wanted != 0 || (is_new && plan_.grows())) // an order that grows has no gaps: it may want more of any cell
      more.push_back({cell, wanted, work.ready});
  }
  return more;
}

void transcode_job_state::handle_result(const segment_result& what) {
  auto found = cells_.find(what.segment);
  if (stage_ != stage::encoding || what.video_hash != config_.video_hash || found == cells_.end())
    return;
  auto& work = found->second;
  auto wanted = what;
  rendition_bits which = 0;
  std::erase_if(wanted.fragments, [&](const encoded_fragment& x) {
    const auto bit = bit_of(plan_, x.rendition) & work.missing & ~work.storing;
    which |= bit;
    return bit == 0;
  });
  if (which == 0) {
    self_->send(dispatcher_, store_atom_v, what.video_hash, what.segment);
    return;
  }
  work.storing |= which;
  auto written = [this, number = what.segment, which,
                  plan = plan_number_](result<std::vector<stored_fragment>> fragments) {
    if (stage_ != stage::encoding || plan != plan_number_)
      return;
    if (fragments)
      write<void>(
          [this, number, which, plan, stored = *fragments] {
            if (plan == plan_number_)
              handle_stored(number, which, stored);
          },
          store_atom_v, *claim_, *fragments);
    else
      fail_video("The video can't be stored: " + fragments.error().text);
  };
  retrier_->ask<std::vector<stored_fragment>>(segmenter_, config_.request_timeout, written, store_atom_v,
                                              std::move(wanted));
}

void transcode_job_state::handle_stored(std::uint32_t number, rendition_bits which,
                                        const std::vector<stored_fragment>& fragments) {
  if (stage_ != stage::encoding)
    return;
  auto& work = cells_.at(number);
  work.missing &= ~which;
  work.storing &= ~which;
  for (const auto& x : fragments)
    stored_[x.rendition].insert(x.segment);
  moved_ = self_->clock().now();
  if (work.missing == 0) {
    --unfinished_;
    auto seconds = seconds_of(plan_, work.cell);
    seconds_left_ -= seconds;
    speed_.add(moved_, seconds);
  }
  changed_ = true;
  self_->send(dispatcher_, store_atom_v, config_.video_hash, number);
  grant_wishes(number, which);
  package_if_done();
}

void transcode_job_state::give_up_segment(std::uint32_t number, const error& why) {
  auto uses_another = [](const auto& rendition) {
    return rendition.kind == media::media_kind::video && rendition.encoder != media::copied
           && rendition.encoder != fallback_encoder;
  };
  if (why.code == errc::not_copyable && media::copies(plan_)) {
    config_.settings.copy_source = false;
    begin_again(why.text);
  } else if (why.code == errc::encoder_failed
             && std::any_of(plan_.renditions.begin(), plan_.renditions.end(), uses_another)) {
    config_.settings.encoder = fallback_encoder;
    begin_again(fmt::format("{}; with {} now", why.text, fallback_encoder));
  } else {
    fail_video(fmt::format("Segment {} can't be encoded: {}", number, why.text));
  }
}

/// The encoder opened and does not do it after all, or the source's own pictures are no rendition. Another one's
/// segments would not fit between those that are there: everything is planned again, and the renditions get other ids.
void transcode_job_state::begin_again(const std::string& reason) {
  spdlog::warn("{}: beginning again: {}", config_.video_hash, reason);
  stage_ = stage::analyzing;
  ++plan_number_;
  refuse_wishes();
  continues_ = false;
  publish(); // it can't be watched for the time being, and then under other names
  plan_ = {};
  segments_.clear();
  looking_ = true; // until the encoders have let go
  tell_upload();
  looked_at_.reset();
  cells_.clear();
  stored_.clear();
  known_fragments_.clear();
  unfinished_ = 0;
  seconds_left_ = 0;
  auto begin = [this] {
    looking_ = false;
    if (stage_ == stage::analyzing)
      analyze();
  };
  self_->request(dispatcher_, config_.end_timeout, close_atom_v, config_.video_hash)
      .then(begin, [begin](const caf::error&) { begin(); });
}

void transcode_job_state::package_if_done() {
  if (unfinished_ > 0 || !claimed_whole_ || plan_.grows() || looking_ || stage_ != stage::encoding)
    return;
  stage_ = stage::packaging;
  publish();
  auto written = [this](result<void> answer) {
    if (stage_ != stage::packaging)
      return;
    if (answer)
      write<video>([this](const video&) { end(job_end::completed, {}); }, complete_atom_v, *claim_);
    else
      fail_video("The video can't be stored: " + answer.error().text);
  };
  retrier_->ask<void>(segmenter_, config_.finish_timeout, written, finish_atom_v);
}

// -- ends -----------------------------------------------------------------------------------------

void transcode_job_state::fail_video(const std::string& reason) {
  if (stage_ == stage::ending || stage_ == stage::failing)
    return;
  if (!claimed_whole_ || plan_.grows()) {
    // What there is of an upload is no ground for a verdict.
    end(job_end::not_yet, reason);
    return;
  }
  stage_ = stage::failing;
  write<video>([this, reason](const video&) { end(job_end::failed, reason); }, fail_atom_v, *claim_, reason);
}

void transcode_job_state::handle_down(const caf::down_msg& down) {
  if (down.source == segmenter_.address()) {
    if (stage_ == stage::ending)
      release_claim();
    else
      self_->quit(caf::exit_reason::unhandled_exception); // Its listener sees to it that the job is started again.
  } else if (down.source == dispatcher_.address()) {
    end(job_end::put_back, "the dispatcher has ended");
  } else if (!whole_) {
    end(job_end::put_back, "the upload's session has ended");
  }
}

/// An orderly end: first the encoders let go, then the segmenter ends, so that no file of this job can appear any more;
/// then the claim is given back, if that is wanted; then everybody is told. Each step has a limit.
void transcode_job_state::end(job_end how, std::string reason) {
  if (stage_ == stage::ending)
    return;
  stage_ = stage::ending;
  outcome_.end = how;
  outcome_.reason = std::move(reason);
  self_->request(dispatcher_, config_.end_timeout, close_atom_v, config_.video_hash)
      .then([this] { stop_segmenter(); }, [this](const caf::error&) { stop_segmenter(); });
}

void transcode_job_state::stop_segmenter() {
  self_->send_exit(segmenter_, caf::exit_reason::user_shutdown);
  retrier_->after(config_.end_timeout, [this] { release_claim(); });
}

void transcode_job_state::release_claim() {
  if (std::exchange(segmenter_stopped_, true))
    return;
  const auto gives_back = outcome_.end == job_end::put_back || outcome_.end == job_end::not_yet;
  if (!gives_back || !claim_) {
    tell_end();
    return;
  }
  if (outcome_.end == job_end::not_yet) // nobody makes what is missing, so it can't be watched for the time being
    self_
        ->request(catalog_, config_.end_timeout, progress_atom_v, *claim_,
                  progress{"waiting for the rest", 0, 0, {}, -1, {}})
        .then([] {}, [](const caf::error&) {});
  self_->request(catalog_, config_.end_timeout, release_atom_v, *claim_)
      .then([this] { tell_end(); }, [this](const caf::error&) { tell_end(); });
}

void transcode_job_state::tell_end() {
  for (auto& canceller : cancellers_)
    canceller.deliver(caf::unit);
  self_->send(listener_, finish_atom_v, outcome_);
  self_->quit();
}

transcode_job_impl::behavior_type transcode_job(transcode_job_state::pointer self, transcode_job_config config,
                                                catalog_actor catalog, dispatcher_actor dispatcher,
                                                segmenter_actor segmenter, finish_listener listener) {
  return self->state.make_behavior(std::move(config), std::move(catalog), std::move(dispatcher), std::move(segmenter),
                                   std::move(listener));
}

} // namespace vp
