#pragma once

#include "actors/error.hpp"
#include "actors/interfaces.hpp"

#include <spdlog/spdlog.h>

namespace vp {

/// Has the catalog enqueue the videos that have work to do and no job; for both queues, now and then.
template <class Self>
void look_for_orphans(Self self, const catalog_actor& catalog, caf::timespan deadline) {
  self->request(catalog, deadline, orphans_atom_v)
      .then(
          [](std::uint32_t count) {
            if (count > 0)
              spdlog::info("queue: {} videos had work to do and no job", count);
          },
          [](const caf::error& problem) { spdlog::warn("queue: {}", from_caf(problem).text); });
}

} // namespace vp
