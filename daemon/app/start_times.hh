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
  /// "12.3 ms after main() (or: after its turn) at 4567.891234 s of the monotonic clock: options
  /// 0.4/0.3, state …", each step with its ms and how many of them this thread had a CPU.
  [[nodiscard]] std::string sentence() const;
  /// What was done so far kept nobody waiting: all is counted from now on.
  void begin_again();

 private:
  using Clock = std::chrono::steady_clock;

  Clock::time_point begin_;
  Clock::time_point last_;
  std::chrono::nanoseconds cpu_;
  std::string steps_;
  const char* beginning_ = "main()";
};

}  // namespace vxs::daemon
