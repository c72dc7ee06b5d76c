// The soak's time: the machine's, or what a test says it is.
#pragma once

#include <chrono>
#include <optional>

namespace vxs::test::kept {

class Clock {
 public:
  using duration = std::chrono::steady_clock::duration;
  using time_point = std::chrono::steady_clock::time_point;

  [[nodiscard]] static time_point now() {
    return told_ ? *told_ : std::chrono::steady_clock::now();
  }
  // In this thread it is `time` from now on, until it is told again; nothing: the machine's.
  static void tell(std::optional<time_point> time) { told_ = time; }

 private:
  inline static thread_local std::optional<time_point> told_;
};
using Time = Clock::time_point;

}  // namespace vxs::test::kept
