// Time as the daemon sees it; tests turn their own hands.
#pragma once

#include <cstdint>

namespace vxs::daemon {

class Clock {
 public:
  virtual ~Clock() = default;
  /// µs since 1970: what records carry.
  [[nodiscard]] virtual std::int64_t wall_us() = 0;
  /// µs since some fixed point, never going back: what limits and timers use.
  [[nodiscard]] virtual std::int64_t monotonic_us() = 0;
};

/// The host's clocks.
class SystemClock final : public Clock {
 public:
  std::int64_t wall_us() override;
  std::int64_t monotonic_us() override;
};

}  // namespace vxs::daemon
