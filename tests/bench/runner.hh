#pragma once
// Which runs are made, in which order, and what is concluded from them.

#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "tests/bench/server.hh"
#include "tests/bench/workload.hh"

namespace vxs::bench {

struct Plan {
  std::vector<ServerKind> servers;
  std::vector<Workload> workloads;
  unsigned pairs = 9;
  // false: a fresh daemon for each run, alone on the machine. true: all daemons
  // of a family of workloads live through all its pairs, and only one is loaded
  // at a time.
  bool all_alive = false;
  MeasureOptions measure;
  ServerPaths paths;
};

struct WorkloadResult {
  std::string name;
  std::string title;
  std::map<ServerKind, std::vector<Measurement>> runs;  // one per pair, in order

  [[nodiscard]] bool has(ServerKind server) const { return runs.contains(server); }
};

// Runs the plan: for each family of workloads (all "read-", all "watches-"),
// `pairs` times each of them on each server in turn, starting with another
// server each time, so that what changes on the machine meanwhile meets all
// alike and run i of one can be set against run i of another. Progress goes to
// `progress`. Throws BenchError.
[[nodiscard]] std::vector<WorkloadResult> run_plan(const Plan& plan, std::ostream& progress);

// The medians of all fields, each by itself; `quiet` only if every run was.
[[nodiscard]] Measurement median_of(const std::vector<Measurement>& runs);

// The median over the pairs of `field` in `ours` divided by that in `theirs`;
// nothing when no pair has a divisor other than 0.
[[nodiscard]] std::optional<double> median_ratio(const std::vector<Measurement>& ours,
                                                 const std::vector<Measurement>& theirs,
                                                 double Measurement::*field);

// median_ratio() of `server` to the C daemon; nothing when either did not run.
[[nodiscard]] std::optional<double> ratio_to_c(const WorkloadResult& result, ServerKind server,
                                               double Measurement::*field);

}  // namespace vxs::bench
