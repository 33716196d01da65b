#include "cli/versions.hpp"

#include "media/versions.hpp"

namespace vp::cli {

result<std::map<std::string, std::string>> program_versions() {
  auto all = media::versions();
  if (all)
    all->emplace("vidpipeline", VIDPIPELINE_VERSION);
  return all;
}

} // namespace vp::cli
