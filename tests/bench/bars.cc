#include "tests/bench/bars.hh"

#include <algorithm>
#include <charconv>
#include <optional>

#include "tests/bench/error.hh"

namespace vxs::bench {

namespace {

constexpr ServerKind kOurs = ServerKind::kVxenstored;

const WorkloadResult* find(const std::vector<WorkloadResult>& results, const std::string& name) {
  const auto at = std::find_if(results.begin(), results.end(),
                               [&](const WorkloadResult& r) { return r.name == name; });
  return at == results.end() || !at->has(kOurs) ? nullptr : &*at;
}

void check_cpu(const std::vector<WorkloadResult>& results, double limit,
               std::vector<BarCheck>& checks) {
  for (const WorkloadResult& result : results) {
    const bool held_to_it = result.name.starts_with("read-") || result.name.starts_with("write-") ||
                            result.name.starts_with("tx-") || result.name.starts_with("ring-");
    if (!held_to_it) continue;
    if (const auto ratio = ratio_to_c(result, kOurs, &Measurement::main_cpu_us)) {
      checks.push_back({"cpu-ratio of " + result.name, *ratio, limit});
    }
  }
}

void check_eagain(const std::vector<WorkloadResult>& results, double limit,
                  std::vector<BarCheck>& checks) {
  const WorkloadResult* result = find(results, "siblings-8");
  if (result == nullptr) return;
  std::uint64_t most = 0;
  for (const Measurement& run : result->runs.at(kOurs)) most = std::max(most, run.retries);
  checks.push_back({"eagain of siblings-8", static_cast<double>(most), limit});
}

void check_watches(const std::vector<WorkloadResult>& results, double limit,
                   std::vector<BarCheck>& checks) {
  const WorkloadResult* without = find(results, "watches-0");
  const WorkloadResult* with = find(results, "watches-10000");
  if (without == nullptr || with == nullptr) return;
  const auto growth =
      median_ratio(with->runs.at(kOurs), without->runs.at(kOurs), &Measurement::main_cpu_us);
  if (growth) checks.push_back({"watch-growth of watches-10000", *growth, limit});
}

void check_scale(const std::vector<WorkloadResult>& results, double limit,
                 std::vector<BarCheck>& checks) {
  for (const char* what : {"scale-start", "scale-read", "scale-write"}) {
    const WorkloadResult* few = find(results, std::string(what) + "-10");
    const WorkloadResult* many = find(results, std::string(what) + "-1000");
    if (few == nullptr || many == nullptr) continue;
    const auto growth =
        median_ratio(many->runs.at(kOurs), few->runs.at(kOurs), &Measurement::main_cpu_us);
    if (growth) checks.push_back({std::string("scale-growth of ") + what, *growth, limit});
  }
}

// What a request takes more, pair by pair, as ratios are; nothing without pairs.
std::optional<double> median_cost(const std::vector<Measurement>& kept,
                                  const std::vector<Measurement>& plain,
                                  double Measurement::*figure) {
  std::vector<double> costs;
  for (std::size_t i = 0; i < std::min(kept.size(), plain.size()); ++i) {
    if (kept[i].operations == 0 || kept[i].requests == 0) continue;
    const double requests =
        static_cast<double>(kept[i].requests) / static_cast<double>(kept[i].operations);
    costs.push_back((kept[i].*figure - plain[i].*figure) / requests);
  }
  if (costs.empty()) return std::nullopt;
  std::sort(costs.begin(), costs.end());
  return (costs[(costs.size() - 1) / 2] + costs[costs.size() / 2]) / 2;
}

void check_keeping(const std::vector<WorkloadResult>& results, double limit,
                   std::vector<BarCheck>& checks) {
  for (const WorkloadResult& result : results) {
    const bool held_to_it = result.name.starts_with("read-") || result.name.starts_with("write-") ||
                            result.name.starts_with("tx-");
    if (!held_to_it || !result.has(kOurs) || !result.has(ServerKind::kKept)) continue;
    const auto& kept = result.runs.at(ServerKind::kKept);
    const auto& plain = result.runs.at(kOurs);
    const auto main = median_cost(kept, plain, &Measurement::main_cpu_us);
    if (main) checks.push_back({"keep-cost of " + result.name, *main, limit});
    const auto all = median_cost(kept, plain, &Measurement::all_cpu_us);
    if (all) checks.push_back({"keep-cost, all threads, of " + result.name, *all, limit});
  }
}

constexpr const char* kScaleGrowth = "scale-growth";
constexpr const char* kKeepCost = "keep-cost";

bool is_bar(const std::string& name) {
  return name == kScaleGrowth || name == kKeepCost || default_bars().contains(name);
}

}  // namespace

Bars default_bars() { return {{"cpu-ratio", 1.0}, {"eagain", 0.0}, {"watch-growth", 1.1}}; }

void parse_bar(const std::string& text, Bars& bars) {
  const std::size_t equals = text.find('=');
  const std::string name = text.substr(0, equals);
  if (equals == std::string::npos || !is_bar(name)) {
    throw BenchError(
        "'" + text +
        "' is no bar: cpu-ratio, eagain, watch-growth, scale-growth and keep-cost are, as "
        "NAME=LIMIT");
  }
  double limit = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + equals + 1, end, limit);
  if (parsed.ec != std::errc{} || parsed.ptr != end || limit < 0) {
    throw BenchError("'" + text + "' has no limit that is a number");
  }
  bars[name] = limit;
}

std::vector<BarCheck> check_bars(const std::vector<WorkloadResult>& results, const Bars& bars,
                                 double factor) {
  std::vector<BarCheck> checks;
  for (const auto& [name, bar] : bars) {
    const std::size_t before = checks.size();
    const double limit = bar * factor;
    if (name == "cpu-ratio") check_cpu(results, limit, checks);
    if (name == "eagain") check_eagain(results, limit, checks);
    if (name == kScaleGrowth) check_scale(results, limit, checks);
    if (name == kKeepCost) check_keeping(results, limit, checks);
    if (name == "watch-growth") check_watches(results, limit, checks);
    if (checks.size() == before) {
      throw BenchError("the bar " + name + " has nothing to look at in this run");
    }
  }
  return checks;
}

}  // namespace vxs::bench
