// The load generator's entry: exit 0 when all went well, 1 when a bar was
// exceeded, 2 when something could not be run or the command line is wrong.

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <fstream>
#include <iostream>

#include "tests/bench/error.hh"
#include "tests/bench/options.hh"
#include "tests/bench/report.hh"

namespace {

using namespace vxs::bench;

constexpr int kBarExceeded = 1;
constexpr int kCannotRun = 2;

// The runner looks for these between two runs.
void block_interrupts() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 65'536);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int run(const Options& options) {
  const std::vector<WorkloadResult> results = run_plan(options.plan, std::cerr);
  if (options.markdown) {
    print_markdown(std::cout, options.plan, results);
  } else {
    print_table(std::cout, results);
  }
  const std::vector<BarCheck> checks = check_bars(results, options.bars, options.bar_factor);
  print_bars(std::cout, checks);
  if (!options.json_file.empty()) {
    std::ofstream file(options.json_file);
    print_json(file, options.plan, results, checks);
    if (!file.flush()) throw BenchError("cannot write " + options.json_file);
  }
  const bool held =
      std::all_of(checks.begin(), checks.end(), [](const BarCheck& c) { return c.held(); });
  return held ? 0 : kBarExceeded;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    block_interrupts();
    raise_descriptor_limit();
    int exit_code = 0;
    const auto options = parse_options(argc, argv, exit_code);
    return options ? run(*options) : exit_code;
  } catch (const std::exception& error) {
    std::cerr << "loadgen: " << error.what() << "\n";
    return kCannotRun;
  }
}
