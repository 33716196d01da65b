#include "media/portable_math.hpp"

extern "C" {
#include <libavutil/cpu.h>
}

namespace vp::media {

namespace {

std::shared_mutex choice;

} // namespace

portable_math::portable_math() : lock_(choice), flags_(av_get_cpu_flags()) {
  av_force_cpu_flags(0);
}

portable_math::~portable_math() {
  av_force_cpu_flags(flags_);
}

native_math::native_math() : lock_(choice) {}

} // namespace vp::media
