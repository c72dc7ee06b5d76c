#include "daemon/core/clock.hh"

#include <ctime>

namespace vxs::daemon {
namespace {

std::int64_t now_us(clockid_t id) {
  timespec now{};
  (void)clock_gettime(id, &now);
  return now.tv_sec * std::int64_t{1'000'000} + now.tv_nsec / 1000;
}

}  // namespace

std::int64_t SystemClock::wall_us() { return now_us(CLOCK_REALTIME); }
std::int64_t SystemClock::monotonic_us() { return now_us(CLOCK_MONOTONIC); }

}  // namespace vxs::daemon
