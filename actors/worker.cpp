#include "actors/worker.hpp"

#include "actors/error.hpp"
#include "actors/time_to_read.hpp"

#include <caf/binary_serializer.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace vp {

namespace {

constexpr std::chrono::seconds join_timeout{10};
/// A link that takes longer for a piece is as good as none.
constexpr std::chrono::seconds piece_timeout{60};
/// After its limit an encoder has so long to react; then it hangs.
constexpr std::chrono::seconds grace{5};

} // namespace

worker_state::~worker_state() {
  if (cache_)
    cache_->abort({errc::cancelled, "the worker ends"});
  caf::anon_send_exit(encoder_, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(feed_, caf::exit_reason::user_shutdown);
}

worker_impl::behavior_type worker_state::make_behavior(worker_config config) {
  config_ = std::move(config);
  self_->set_down_handler([this](caf::down_msg& down) {
    if (down.source != encoder_.address()) {
      self_->quit(std::move(down.reason));
      return;
    }
    spdlog::error("the encoder has ended: {}", caf::to_string(down.reason));
    end_after_last_words();
  });
  return {
      [this](analyze_atom what, std::uint64_t id, analyze_task& task) {
        begin<media::analysis>(id, what, task, limits_.analyze, time_to_read(task.source));
      },
      [this](encode_atom what, std::uint64_t id, segment_task& task) {
        begin<segment_result>(id, what, task, limits_.segment, {});
      },
      [this](cancel_atom, std::uint64_t id) {
        if (id != task_)
          return;
        if (shipment_)
          fail(to_caf(errc::cancelled, "cancelled"));
        else
          self_->send(encoder_, cancel_atom_v, source_.video_hash);
        cache_->abort({errc::cancelled, "cancelled"});
      },
      [](status_atom) -> caf::result<void> { return caf::unit; },
      [this](renew_atom) { self_->quit(caf::exit_reason::user_shutdown); },
      [this](join_atom, const node_gate_actor& gate, const std::string& hello) { return join(gate, hello); },
      [this](drain_atom) {
        if (!slot_ || std::exchange(draining_, true)) {
          self_->quit(caf::exit_reason::user_shutdown);
          return;
        }
        self_->request(slot_, piece_timeout, drain_atom_v)
            .then(
                [this] {
                  drained_ = true;
                  if (task_ == 0)
                    self_->quit(caf::exit_reason::user_shutdown);
                },
                [this](caf::error& problem) { self_->quit(std::move(problem)); });
      },
  };
}

caf::result<void> worker_state::join(const node_gate_actor& gate, const std::string& hello) {
  auto answer = self_->make_response_promise();
  self_->monitor(gate); // a request to one that is gone is not answered
  // The first task may be right behind the answer.
  self_->request(gate, join_timeout, join_atom_v, hello, worker_actor{self_})
      .then(
          [this, answer](const slot_link_actor& slot, const worker_limits& limits) mutable {
            open(slot, limits);
            answer.deliver(caf::unit);
          },
          [answer](caf::error& problem) mutable { answer.deliver(std::move(problem)); });
  return answer;
}

void worker_state::open(const slot_link_actor& slot, const worker_limits& limits) {
  slot_ = slot;
  limits_ = limits;
  self_->monitor(slot_);
  // The reader's thread has no actor.
  auto feed = std::make_shared<caf::actor_addr>();
  cache_ = std::make_shared<block_cache>(config_.cache, [feed](block_cache::key which) {
    caf::anon_send(caf::actor_cast<source_feed_actor>(*feed), read_atom_v, which.first, which.second);
  });
  feed_ = self_->spawn(source_feed, slot_, cache_);
  *feed = feed_.address();
  encoder_config encoding;
  encoding.open_source = [cache = cache_](const source_ref& where) -> result<std::unique_ptr<media::byte_source>> {
    return open_cached(cache, where);
  };
  encoding.segment_timeout = limits_.segment;
  encoding.analyze_timeout = limits_.analyze;
  encoding.niceness = config_.niceness;
  encoding.decodes_ahead = config_.decodes_ahead;
  encoder_ = config_.make_encoder(self_->system(), encoding);
  self_->monitor(encoder_);
}

template <class R, class Atom, class Task>
void worker_state::begin(std::uint64_t id, Atom what, Task& task, caf::timespan limit, caf::timespan reading) {
  if (task_ != 0) {
    self_->send(slot_, fail_atom_v, id, to_caf(errc::overloaded, "the worker has a task"));
    return;
  }
  task_ = id;
  source_ = task.source;
  const auto longest = std::chrono::ceil<std::chrono::seconds>(limit) + grace;
  config_.limit_cpu(longest);
  cache_->begin(block_cache::clock::now() + longest + reading);
  self_->send(feed_, begin_atom_v, id, source_);
  // The encoder has limits of its own, and ends when it does not keep them.
  self_->request(encoder_, caf::infinite, what, std::move(task))
      .then([this](R& done) { ship(done); }, [this](const caf::error& problem) { fail(problem); });
}

template <class R>
void worker_state::ship(R& result) {
  shipment_ = shipment{};
  caf::binary_serializer sink{self_->system(), shipment_->data};
  if (auto problem = sink(result)) {
    fail(to_caf(errc::internal, "the result can't be sent: " + caf::to_string(problem)));
    return;
  }
  send_pieces();
}

void worker_state::send_pieces() {
  auto& what = *shipment_;
  while (what.on_their_way < pieces_in_flight && what.sent < what.data.size()) {
    const auto size = std::min(piece_size, what.data.size() - what.sent);
    const auto* begin = what.data.data() + what.sent;
    bytes piece{bytes::buffer(begin, begin + size)};
    what.sent += size;
    ++what.on_their_way;
    self_->request(slot_, piece_timeout, result_atom_v, task_, std::move(piece))
        .then(
            [this, task = task_] {
              if (task != task_ || !shipment_)
                return;
              --shipment_->on_their_way;
              send_pieces();
            },
            [this, task = task_](const caf::error& problem) {
              if (task == task_ && shipment_)
                fail(problem);
            });
  }
  if (what.on_their_way == 0 && what.sent == what.data.size()) {
    self_->send(slot_, end_atom_v, task_);
    end_task();
  }
}

void worker_state::fail(const caf::error& why) {
  self_->send(slot_, fail_atom_v, task_, to_caf(from_caf(why).code, from_caf(why).text));
  end_task();
}

void worker_state::end_task() {
  task_ = 0;
  shipment_.reset();
  if (drained_)
    end_after_last_words();
}

/// What was sent last has left the process once something that was sent after it is answered.
void worker_state::end_after_last_words() {
  auto end = [this] { self_->quit(caf::exit_reason::user_shutdown); };
  self_->request(slot_, piece_timeout, drain_atom_v).then(end, [end](const caf::error&) { end(); });
}

worker_impl::behavior_type worker(worker_state::pointer self, worker_config config) {
  return self->state.make_behavior(std::move(config));
}

} // namespace vp
