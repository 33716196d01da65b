#include "cli/chunk_order.hpp"

#include "media/index_finder.hpp"

#include <algorithm>

namespace vp::cli {

chunk_indexes in_sending_order(const chunk_indexes& missing, media::byte_source& source, std::uint64_t chunk_size) {
  constexpr std::uint64_t head_size = std::uint64_t{2} << 20U;
  std::vector<media::byte_range> first;
  if (const auto index = media::find_index(source))
    first.push_back(*index);
  first.push_back({0, std::min(head_size, source.size())});
  std::vector<std::uint32_t> wanted;
  for (const auto& range : first)
    for (auto offset = range.begin; offset < range.end; offset = (offset / chunk_size + 1) * chunk_size)
      wanted.push_back(static_cast<std::uint32_t>(offset / chunk_size));
  auto ordered = missing;
  put_first(ordered, wanted);
  return ordered;
}

void put_first(chunk_indexes& chunks, const std::vector<std::uint32_t>& wanted) {
  auto next = chunks.begin();
  for (const auto index : wanted)
    if (const auto found = std::find(next, chunks.end(), index); found != chunks.end()) {
      std::rotate(next, found, std::next(found));
      ++next;
    }
}

} // namespace vp::cli
