#include "daemon/app/start_times.hh"

#include <fmt/format.h>
#include <time.h>

namespace vxs::daemon {
namespace {

std::chrono::nanoseconds cpu_time() {
  timespec time{};
  (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

double milliseconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

}  // namespace

StartTimes::StartTimes() : begin_(Clock::now()), last_(begin_), cpu_(cpu_time()) {
  steps_ = fmt::format("linking -/{:.1f}", milliseconds(cpu_));
}

void StartTimes::begin_again() {
  begin_ = last_ = Clock::now();
  cpu_ = cpu_time();
  steps_ = fmt::format("ahead -/{:.1f}", milliseconds(cpu_));
  beginning_ = "its turn";
}

void StartTimes::mark(std::string_view step) {
  const auto now = Clock::now();
  const auto cpu = cpu_time();
  steps_ +=
      fmt::format(", {} {:.1f}/{:.1f}", step, milliseconds(now - last_), milliseconds(cpu - cpu_));
  last_ = now;
  cpu_ = cpu;
}

std::string StartTimes::sentence() const {
  return fmt::format("{:.1f} ms after {} at {:.6f} s of the monotonic clock: {}",
                     milliseconds(last_ - begin_), beginning_,
                     milliseconds(begin_.time_since_epoch()) / 1000, steps_);
}

}  // namespace vxs::daemon
