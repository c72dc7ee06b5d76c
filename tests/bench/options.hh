#pragma once
// loadgen's command line.

#include <optional>
#include <string>

#include "tests/bench/bars.hh"
#include "tests/bench/runner.hh"

namespace vxs::bench {

struct Options {
  Plan plan;
  Bars bars;  // empty: nothing is checked
  double bar_factor = 1.0;
  std::string json_file;
  bool markdown = false;
};

// Nothing after --help, --list or a usage error, with `exit_code` set.
// Throws BenchError for a server, workload or bar that does not exist.
[[nodiscard]] std::optional<Options> parse_options(int argc, char** argv, int& exit_code);

}  // namespace vxs::bench
