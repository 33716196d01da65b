#pragma once

namespace vp {

/// A place in the code where tests end the process at the worst moment, or make it do what a hostile video would. The
/// program itself is linked with a function that does nothing; only the tests' program has one that obeys the
/// environment.
void failpoint(const char* name) noexcept;

} // namespace vp
