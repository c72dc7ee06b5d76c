// Measures how long vxenstored takes from exec to its first reply, with a large
// tree in a clean checkpoint and a tail of journal records behind it, and how
// much memory a node costs. Exit 0; 1 when --limit was exceeded; 2 on a failure.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <exception>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "tests/bench/bulk.hh"
#include "tests/bench/cpu_meter.hh"
#include "tests/bench/error.hh"
#include "tests/bench/process.hh"
#include "tests/bench/sample_tree.hh"
#include "tests/bench/server.hh"

namespace {

using namespace vxs::bench;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int kStartLimitMs = 120'000;
constexpr int kStopLimitMs = 300'000;
constexpr int kSettleMs = 1100;
constexpr int kQuietLimitMs = 120'000;

struct Options {
  std::uint64_t domains = 10'000;
  std::uint64_t tail = 10'000;
  unsigned runs = 5;
  double limit_s = 0;  // 0: none
  ServerPaths paths = default_server_paths();
};

// The directory layout of vxenstored_command(): state and journal are what a
// restart finds; both are saved and put back for each run.
class Playground {
 public:
  explicit Playground(const ServerPaths& paths) : paths_(paths) {}

  [[nodiscard]] std::string socket_path() const { return directory_.path() / "run" / "socket"; }

  // Exec without waiting for an answer.
  [[nodiscard]] std::unique_ptr<Process> launch() const {
    return std::make_unique<Process>(vxenstored_command(directory_.path(), paths_));
  }
  [[nodiscard]] std::unique_ptr<Process> start() const {
    auto process = launch();
    wait_until_ready(*process, socket_path(), log(), kStartLimitMs);
    return process;
  }
  void save() const {
    for (const char* part : kParts) fs::rename(directory_.path() / part, saved(part));
  }
  void put_back() const {
    for (const char* part : kParts) {
      fs::remove_all(directory_.path() / part);
      fs::copy(saved(part), directory_.path() / part, fs::copy_options::recursive);
    }
    fs::remove(socket_path());
  }
  [[nodiscard]] fs::path log() const { return directory_.path() / "log"; }

 private:
  static constexpr const char* kParts[] = {"state", "journal"};
  [[nodiscard]] fs::path saved(const char* part) const {
    return directory_.path() / (std::string("saved-") + part);
  }

  ScratchDirectory directory_;
  ServerPaths paths_;
};

// One READ; nothing when it was refused.
std::optional<std::string> read_value(const std::string& socket_path, const std::string& path) {
  Connection connection(socket_path);
  std::optional<std::string> value;
  bool asked = false;
  run_pipelined(
      connection,
      [&](std::string& out) {
        if (asked) return false;
        append_request(out, MessageType::kRead, 0, {path_body(path)});
        return asked = true;
      },
      [&](const Reply& reply) {
        if (reply.type == MessageType::kRead) value = std::string(reply.body);
      });
  return value;
}

double megabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

double per_node(std::uint64_t bytes, std::uint64_t empty, std::uint64_t nodes) {
  return bytes <= empty ? 0 : static_cast<double>(bytes - empty) / static_cast<double>(nodes);
}

// Builds the state, ends the daemon cleanly, starts it again, writes the tail
// and kills it. Returns the RSS of the empty daemon.
std::uint64_t build_state(const Playground& ground, const Options& options) {
  const std::uint64_t nodes = options.domains * kNodesPerDomain;
  auto process = ground.start();
  const std::uint64_t empty = read_rss_bytes(process->pid());
  const auto began = Clock::now();
  std::uint64_t writes = 0;
  {
    Connection connection(ground.socket_path());
    writes = write_domains(connection, options.domains);
  }
  const std::chrono::duration<double> took = Clock::now() - began;
  const bool quiet = wait_until_quiet(process->pid(), kSettleMs, kQuietLimitMs);
  const std::uint64_t full = read_rss_bytes(process->pid());
  fmt::print("built {} nodes with {} WRITEs in {:.1f} s{}\n", nodes, writes, took.count(),
             quiet ? "" : " (the daemon is still busy after two minutes)");
  fmt::print("RSS empty {:.1f} MB, with the tree {:.1f} MB: {:.0f} bytes per node\n",
             megabytes(empty), megabytes(full), per_node(full, empty, nodes));

  const auto stop_began = Clock::now();
  process->stop(SIGTERM, kStopLimitMs);
  const std::chrono::duration<double> stop_took = Clock::now() - stop_began;
  fmt::print("clean stop in {:.2f} s\n", stop_took.count());

  process = ground.start();
  Connection connection(ground.socket_path());
  write_tail(connection, options.domains, options.tail);
  process->stop(SIGKILL, 0);
  return empty;
}

struct Run {
  double seconds = 0;
  CpuTimes cpu;
  std::uint64_t rss = 0;
};

// Exec to the reply of a READ that must see the last record of the tail.
Run measure(const Playground& ground, const Options& options) {
  ground.put_back();
  const auto began = Clock::now();
  const auto limit = began + std::chrono::milliseconds(kStartLimitMs);
  const auto process = ground.launch();
  std::optional<std::string> value;
  for (bool answered = false; !answered;) {
    try {
      value = read_value(ground.socket_path(), last_tail_path(options.domains, options.tail));
      answered = true;
    } catch (const BenchError&) {
      // Not listening yet.
      if (!process->running()) throw BenchError("vxenstored exited while it recovered");
      if (Clock::now() > limit) throw BenchError("vxenstored does not answer after its restart");
      const timespec pause{0, 500'000};
      ::nanosleep(&pause, nullptr);
    }
  }
  Run run;
  run.seconds = std::chrono::duration<double>(Clock::now() - began).count();
  run.cpu = read_cpu_times(process->pid());
  if (value != last_tail_value(options.tail)) {
    throw BenchError("the last write before the kill is lost: found '" +
                     value.value_or("(no such node)") + "'");
  }
  wait_until_quiet(process->pid(), kSettleMs, kQuietLimitMs);
  run.rss = read_rss_bytes(process->pid());
  return run;
}

int run(const Options& options) {
  const Playground ground(options.paths);
  const std::uint64_t nodes = options.domains * kNodesPerDomain;
  const std::uint64_t empty = build_state(ground, options);
  ground.save();
  std::vector<double> times;
  for (unsigned i = 0; i < options.runs; ++i) {
    const Run one = measure(ground, options);
    times.push_back(one.seconds);
    fmt::print(
        "run {}: exec to first reply {:.3f} s; CPU main {:.3f} s, all {:.3f} s; RSS {:.1f} MB, "
        "{:.0f} bytes per node\n",
        i + 1, one.seconds, static_cast<double>(one.cpu.main_ns) / 1e9,
        static_cast<double>(one.cpu.all_ns) / 1e9, megabytes(one.rss),
        per_node(one.rss, empty, nodes));
  }
  std::sort(times.begin(), times.end());
  const double median = times[times.size() / 2];
  fmt::print("median {:.3f} s for {} nodes and a tail of {} records\n", median, nodes,
             options.tail);
  if (options.limit_s <= 0 || median <= options.limit_s) return 0;
  fmt::print("EXCEEDED: the limit is {:.3f} s\n", options.limit_s);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times vxenstored from exec to its first reply, with a large state");
  Options options;
  app.add_option("--domains", options.domains, "domains of 60 nodes each")
      ->check(CLI::Range(1U, 10'000'000U));
  app.add_option("--tail", options.tail, "records behind the checkpoint")
      ->check(CLI::Range(1U, 10'000'000U));
  app.add_option("--runs", options.runs, "timed restarts")->check(CLI::Range(1, 1000));
  app.add_option("--limit", options.limit_s, "exit 1 when the median takes longer, s");
  app.add_option("--vxenstored", options.paths.vxenstored, "the daemon under test");
  app.add_option("--vxenstored-option", options.paths.extra_options, "one more option for it");
  try {
    app.parse(argc, argv);
    return run(options);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const std::exception& error) {
    std::cerr << "recovery: " << error.what() << "\n";
    return 2;
  }
}
