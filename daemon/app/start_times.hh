// Where the time of a start goes, for the log: after a crash every client waits for it.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace vxs::daemon {

/// One thread. Begins with the process: make it first in main().
class StartTimes {
 public:
  StartTimes();
  /// What was done since the last mark was `step`, a word.
  void mark(std::string_view step);
  /// "12.3 ms after main() at 4567.891234 s of the monotonic clock: options 0.4/0.3, state …", each
  /// step with its ms and how many of them this thread had a CPU.
  [[nodiscard]] std::string sentence() const;

 private:
  using Clock = std::chrono::steady_clock;

  Clock::time_point begin_;
  Clock::time_point last_;
  std::chrono::nanoseconds cpu_;
  std::string steps_;
};

}  // namespace vxs::daemon
