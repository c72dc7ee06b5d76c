#pragma once
// The results, for a person, for docs/performance.md and for programs.

#include <ostream>
#include <vector>

#include "tests/bench/bars.hh"
#include "tests/bench/runner.hh"

namespace vxs::bench {

// Aligned columns for a terminal.
void print_table(std::ostream& out, const std::vector<WorkloadResult>& results);
// The same rows as a Markdown table, with one line above it that says how they
// were measured.
void print_markdown(std::ostream& out, const Plan& plan,
                    const std::vector<WorkloadResult>& results);
// {"host", "plan", "workloads": [{"name", "servers": {NAME: {"median", "ratio", "runs"}}}], "bars"}
void print_json(std::ostream& out, const Plan& plan, const std::vector<WorkloadResult>& results,
                const std::vector<BarCheck>& checks);
void print_bars(std::ostream& out, const std::vector<BarCheck>& checks);

}  // namespace vxs::bench
