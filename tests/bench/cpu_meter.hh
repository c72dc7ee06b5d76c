#pragma once
// CPU time of a process, split as the bars want it: main thread and all threads.

#include <sys/types.h>

#include <cstdint>

namespace vxs::bench {

struct CpuTimes {
  std::uint64_t main_ns = 0;  // /proc/PID/task/PID/schedstat, first field
  std::uint64_t all_ns = 0;   // every thread, those that have exited included
};

// Throws BenchError when the process is gone. all_ns is the process CPU clock,
// which is nanosecond exact and keeps the time of exited threads;
// /proc/PID/stat has the same figure rounded to 10 ms ticks.
[[nodiscard]] CpuTimes read_cpu_times(pid_t pid);

// Waits until the process has used less than 2 % of a core for `settle_ms`, so
// that work it put off (history, checkpoints) is part of the figures; false if
// it is still busy after `limit_ms`.
bool wait_until_quiet(pid_t pid, int settle_ms, int limit_ms);

// VmRSS in bytes; throws BenchError when the process is gone.
[[nodiscard]] std::uint64_t read_rss_bytes(pid_t pid);

}  // namespace vxs::bench
