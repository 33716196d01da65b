#pragma once

#include "actors/interfaces.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace vp {

/// Who takes jobs from a queue, and how many more each may have in hand at the same time.
class job_consumers {
public:
  /// Whether it is a new one, to be monitored. A known one gets another credit.
  bool subscribe(const job_consumer& consumer, std::uint32_t credit);

  /// It gets no more; what it has it keeps.
  void drain(const job_consumer& consumer);

  void remove(const caf::actor_addr& consumer);

  std::uint32_t free_credit() const;

  /// Takes a credit from whoever has the fewest jobs in hand, so that several share the work.
  std::optional<job_consumer> take_credit();

  void give_back(const caf::actor_addr& consumer);

private:
  struct subscription {
    job_consumer consumer;
    std::uint32_t credit = 0; ///< 0 while it is drained
    std::uint32_t in_hand = 0;
  };

  subscription* find(const caf::actor_addr& consumer);

  std::vector<subscription> all_;
};

} // namespace vp
