#include "tests/bench/options.hh"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>

#include "tests/bench/error.hh"

namespace vxs::bench {

namespace {

constexpr unsigned kQuickPairs = 2;
constexpr int kQuickDurationMs = 100;
constexpr int kQuickWarmUpMs = 30;
constexpr int kQuickSettleMs = 100;

// What the command line says, before it is understood.
struct Raw {
  std::vector<std::string> servers{"echo", "c", "o", "vxs"};
  std::vector<std::string> workloads;
  std::vector<std::string> bars;
  std::string alive = "one";
  unsigned pairs = 9;
  int duration_ms = 500;
  int warm_up_ms = 100;
  int settle_ms = 1100;
  int patience_s = 600;
  double bar_factor = 1.0;
  bool quick = false;
  bool list = false;
  bool all_bars = false;
  bool markdown = false;
  std::string json_file;
  ServerPaths paths = default_server_paths();
};

void declare(CLI::App& app, Raw& raw) {
  app.add_option("--servers", raw.servers,
                 "echo, c, o (oxenstored), vxs, kept (vxs with kept connections)")
      ->delimiter(',');
  app.add_option("--workloads", raw.workloads, "names from --list, or prefixes such as read-")
      ->delimiter(',');
  app.add_option("--pairs", raw.pairs, "runs of each server")->check(CLI::Range(1, 1000));
  app.add_option("--duration", raw.duration_ms, "measured time of a run, ms")
      ->check(CLI::Range(10, 600'000));
  app.add_option("--warm-up", raw.warm_up_ms, "unmeasured time before it, ms")
      ->check(CLI::Range(0, 60'000));
  app.add_option("--settle", raw.settle_ms, "idle time of vxenstored before its CPU is read, ms")
      ->check(CLI::Range(100, 10'000));
  app.add_option("--patience", raw.patience_s, "limit for starting VMs, s")
      ->check(CLI::Range(1, 3600));
  app.add_option("--alive", raw.alive,
                 "one: a fresh daemon per run, alone; all: all daemons live, one is loaded")
      ->check(CLI::IsMember({"one", "all"}));
  app.add_flag("--quick", raw.quick, "few workloads, 2 pairs, 0.1 s each: under a minute");
  app.add_flag("--bars", raw.all_bars, "exit 1 when a limit of the project is exceeded");
  app.add_option("--bar", raw.bars,
                 "NAME=LIMIT: cpu-ratio, eagain, watch-growth, scale-growth, keep-cost");
  app.add_option("--bar-factor", raw.bar_factor, "multiplies every limit")
      ->check(CLI::PositiveNumber);
  app.add_option("--json", raw.json_file, "write all figures to this file");
  app.add_flag("--markdown", raw.markdown, "print a Markdown table");
  app.add_flag("--list", raw.list, "print the workloads' names");
  app.add_option("--vxenstored", raw.paths.vxenstored, "the daemon under test");
  app.add_option("--vxenstored-option", raw.paths.extra_options, "one more option for it");
}

std::vector<Workload> choose(const Raw& raw) {
  std::vector<Workload> chosen;
  std::vector<std::string> unused = raw.workloads;
  for (Workload& workload : all_workloads()) {
    bool wanted = raw.workloads.empty() && (raw.quick ? workload.quick : workload.by_default);
    for (const std::string& name : raw.workloads) {
      const bool prefix = name.ends_with('-') && workload.name.starts_with(name);
      if (!prefix && workload.name != name) continue;
      wanted = true;
      std::erase(unused, name);
    }
    if (wanted) chosen.push_back(std::move(workload));
  }
  if (!unused.empty())
    throw BenchError("no workload is called " + unused.front() + " (see --list)");
  return chosen;
}

Options understand(const Raw& raw, bool pairs_given, bool duration_given) {
  Options options;
  Plan& plan = options.plan;
  for (const std::string& name : raw.servers) plan.servers.push_back(server_kind(name));
  plan.workloads = choose(raw);
  plan.pairs = raw.quick && !pairs_given ? kQuickPairs : raw.pairs;
  plan.all_alive = raw.alive == "all";
  const bool short_runs = raw.quick && !duration_given;
  plan.measure.duration =
      std::chrono::milliseconds(short_runs ? kQuickDurationMs : raw.duration_ms);
  plan.measure.warm_up = std::chrono::milliseconds(short_runs ? kQuickWarmUpMs : raw.warm_up_ms);
  plan.measure.settle = std::chrono::milliseconds(raw.quick ? kQuickSettleMs : raw.settle_ms);
  plan.measure.patience = std::chrono::seconds(raw.patience_s);
  plan.paths = raw.paths;
  if (raw.all_bars) options.bars = default_bars();
  for (const std::string& bar : raw.bars) parse_bar(bar, options.bars);
  options.bar_factor = raw.bar_factor;
  options.json_file = raw.json_file;
  options.markdown = raw.markdown;
  return options;
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv, int& exit_code) {
  CLI::App app("Compares vxenstored with the packaged xenstored and oxenstored and an echo server");
  Raw raw;
  declare(app, raw);
  exit_code = 0;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    exit_code = app.exit(error) == 0 ? 0 : 2;
    return std::nullopt;
  }
  if (raw.list) {
    for (const Workload& workload : all_workloads()) {
      std::cout << workload.name << "\t" << workload.title << "\n";
    }
    return std::nullopt;
  }
  return understand(raw, app.count("--pairs") > 0, app.count("--duration") > 0);
}

}  // namespace vxs::bench
