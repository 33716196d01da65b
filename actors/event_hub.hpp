#pragma once

#include "actors/interfaces.hpp"
#include "actors/storage_metrics.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace vp {

struct event_hub_config {
  catalog_actor catalog;
  caf::timespan idle = std::chrono::seconds(15);     ///< a reader that waits for so long gets an empty answer
  caf::timespan deadline = std::chrono::seconds(10); ///< of a request to the catalog
  caf::timespan pause = std::chrono::seconds(1);     ///< before the catalog is asked again after an error
  std::size_t ring = 1024;                           ///< events in memory
  std::uint32_t batch = 256;                         ///< events of one answer, at most
  std::size_t max_readers = 20'000;
  std::shared_ptr<storage_metrics> metrics = std::make_shared<storage_metrics>();
};

/// The hub's own interface: this reader has waited for long enough; it is time to read the catalog again.
using event_hub_impl = event_hub_actor::extend<caf::reacts_to<tick_atom, std::uint64_t>, caf::reacts_to<tick_atom>>;

/// Keeps the newest events in a ring and answers readers from it; what is older comes from the catalog. The ring has
/// every event above its floor, in id order.
class event_hub_state {
public:
  static constexpr const char* name = "event_hub";
  using pointer = event_hub_impl::stateful_pointer<event_hub_state>;

  explicit event_hub_state(pointer self) : self_(self) {}

  event_hub_impl::behavior_type make_behavior(event_hub_config config);

private:
  /// Who asked for events and has no answer yet.
  struct reader {
    std::uint64_t above = 0;
    std::string hash; ///< empty: of all videos
    std::uint32_t limit = 0;
    bool looking = false; ///< the catalog is being asked for older ones
    caf::typed_response_promise<std::vector<event>> answer;
  };

  using readers = std::map<std::uint64_t, reader>;

  void start();
  void read();
  void append(std::vector<event>&& found);
  caf::result<std::vector<event>> next(std::uint64_t above, const std::string& hash, std::uint32_t limit);
  bool serve(reader& who, std::uint64_t id);
  void look_up(reader& who, std::uint64_t id);
  void serve_all();
  std::vector<event> from_ring(const reader& who) const;

  pointer self_;
  event_hub_config config_;
  bool started_ = false;     ///< the floor is known
  bool reading_ = false;     ///< the catalog is being asked for new ones
  bool read_again_ = false;  ///< and has more by now
  std::uint64_t floor_ = 0;  ///< the ring has all events above
  std::uint64_t newest_ = 0; ///< and the last of them is this
  std::deque<event> ring_;
  readers readers_;
  std::uint64_t next_reader_ = 1;
};

event_hub_impl::behavior_type event_hub(event_hub_state::pointer self, event_hub_config config);

} // namespace vp
