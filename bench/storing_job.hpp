#pragma once

#include "actors/interfaces.hpp"

#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace vp::bench {

/// What a transcode job does for the dispatcher: says of each segment that it is stored.
inline order_listener::behavior_type storing_job(order_listener::pointer self, dispatcher_actor dispatcher,
                                                 std::size_t count, std::shared_ptr<std::promise<void>> all) {
  auto left = std::make_shared<std::size_t>(count);
  return {
      [](begin_atom, const std::vector<cell_part>&) {},
      [=](result_atom, const segment_result& result) {
        self->send(dispatcher, store_atom_v, result.video_hash, result.segment);
        if (--*left == 0) {
          all->set_value();
          self->quit();
        }
      },
      [](fail_atom, const std::string&, std::uint32_t, const caf::error&) { std::abort(); },
  };
}

/// What an encoder answers that has done nothing.
inline segment_result empty_result(const segment_task& task) {
  return {task.source.video_hash, task.cell.number, {{"rendition", task.cell.number, 0, 0, 0, {}}}, 0};
}

/// So many segments, of so many videos, through the dispatcher. Returns when all are stored.
inline void give_segments(caf::actor_system& system, const dispatcher_actor& dispatcher, std::uint32_t videos,
                          std::uint32_t count) {
  std::vector<std::future<void>> ended;
  for (std::uint32_t video = 0; video < videos; ++video) {
    job_order order;
    order.source.video_hash = "video " + std::to_string(video);
    auto& rendition = order.plan.renditions.emplace_back();
    rendition.id = rendition.name = "rendition"; // a plan that is sent must have good names
    for (std::uint32_t i = 0; i < count / videos; ++i)
      order.cells.push_back({{i, i, i + 1, 1, 0, 0, {}, {}}, 1});
    auto all = std::make_shared<std::promise<void>>();
    ended.push_back(all->get_future());
    auto job = system.spawn(storing_job, dispatcher, order.cells.size(), all);
    caf::anon_send(dispatcher, open_atom_v, std::move(order), job);
  }
  for (auto& end : ended)
    end.wait();
}

} // namespace vp::bench
