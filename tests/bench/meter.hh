#pragma once
// From the readings before and after a load to a Measurement.

#include "tests/bench/cpu_meter.hh"
#include "tests/bench/generator.hh"
#include "tests/bench/workload.hh"

namespace vxs::bench {

// Accumulates loads on one server; what happens between finish() and the next
// begin() is not counted.
class Meter {
 public:
  Meter(const Server& server, const MeasureOptions& options);

  // Waits until the daemon is quiet and takes the first reading.
  void begin();
  // Waits until it is quiet again and adds `load` and the CPU time used.
  void finish(const LoadResult& load);
  [[nodiscard]] Measurement result() const;

 private:
  pid_t pid_;
  int settle_ms_;
  CpuTimes before_;
  CpuTimes used_;
  LoadResult load_;
  bool quiet_ = true;
};

}  // namespace vxs::bench
