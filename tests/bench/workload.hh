#pragma once
// The workloads: what is built first, what is measured, on one server.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/server.hh"

namespace vxs::bench {

struct MeasureOptions {
  std::chrono::milliseconds warm_up{100};
  std::chrono::milliseconds duration{500};
  std::chrono::seconds patience{600};  // for the parallel-start workload
  // How long vxenstored has to be idle before its CPU time is read: its history
  // thread may sit on changes for up to a second before it writes a pack.
  std::chrono::milliseconds settle{1100};
};

// One run of one workload on one server. Latencies in µs, CPU in µs per
// operation; an operation is a request, a committed transaction or a VM.
struct Measurement {
  std::uint64_t operations = 0;
  std::uint64_t requests = 0;
  std::uint64_t retries = 0;
  double operations_per_second = 0;
  double requests_per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
  double main_cpu_us = 0;
  double all_cpu_us = 0;
  bool quiet = true;  // false: the daemon was still busy 5 s after the load
};

// A workload on one server: prepare() once, then measure() any number of times.
class Session {
 public:
  virtual ~Session() = default;
  virtual void prepare(Server& server) = 0;
  virtual Measurement measure(Server& server, const MeasureOptions& options) = 0;
};

struct Workload {
  std::string name;        // for --workloads and --json: "write-16"
  std::string title;       // for tables: "WRITE, 16 clients"
  bool quick = false;      // part of --quick
  bool by_default = true;  // false: only when named
  bool guests = false;     // the server is to have rings; the echo server has none
  std::function<std::unique_ptr<Session>()> make = nullptr;
};

// All workloads, in the order of the tables.
[[nodiscard]] std::vector<Workload> all_workloads();

}  // namespace vxs::bench
