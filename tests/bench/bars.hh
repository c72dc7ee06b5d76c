#pragma once
// The limits a run may be held to.

#include <map>
#include <string>
#include <vector>

#include "tests/bench/runner.hh"

namespace vxs::bench {

// cpu-ratio     vxenstored's main-thread CPU per operation over the C daemon's,
//               for each READ, WRITE and transaction workload (1.0)
// eagain        EAGAIN answers to transactions that only touch siblings (0)
// watch-growth  vxenstored's CPU per WRITE beside 10,000 watches over that
//               beside none (1.1)
// scale-growth  vxenstored's CPU per VM start, and per READ and WRITE of one
//               guest, beside 1,000 guests over that beside 10 (1.2)
// keep-cost     what a READ, a WRITE or a request of a transaction takes more with kept connections
//               than with volatile ones: CPU us of the main thread, and of all (0.6)
using Bars = std::map<std::string, double>;
// Those beside the C daemon on sockets: all but scale-growth and keep-cost.
[[nodiscard]] Bars default_bars();

// Reads NAME=LIMIT into `bars`; throws BenchError for an unknown name or a bad number.
void parse_bar(const std::string& text, Bars& bars);

struct BarCheck {
  std::string what;
  double value = 0;
  double limit = 0;
  [[nodiscard]] bool held() const { return value <= limit; }
};

// Every bar on every result it is about, its limit multiplied by `factor`.
// Throws BenchError when a bar has nothing to look at: a check that cannot
// fail must not look like one that held.
[[nodiscard]] std::vector<BarCheck> check_bars(const std::vector<WorkloadResult>& results,
                                               const Bars& bars, double factor);

}  // namespace vxs::bench
