#include "tests/bench/runner.hh"

#include <algorithm>
#include <csignal>
#include <ctime>
#include <memory>
#include <span>
#include <utility>

#include "tests/bench/error.hh"

namespace vxs::bench {

namespace {

// main() blocks these, so that an interrupted run still removes its scratch
// directories and ends its daemons.
void stop_if_interrupted() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  const timespec at_once{};
  if (::sigtimedwait(&signals, nullptr, &at_once) > 0) throw BenchError("interrupted");
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

template <typename Field>
Field median_field(const std::vector<Measurement>& runs, Field Measurement::*field) {
  std::vector<double> values;
  for (const Measurement& run : runs) values.push_back(static_cast<double>(run.*field));
  return static_cast<Field>(median(std::move(values)));
}

// A daemon with its prepared workload.
struct Subject {
  Subject(ServerKind kind, const Workload& workload, const ServerPaths& paths)
      : server(kind, paths, workload.guests), session(workload.make()) {
    session->prepare(server);
  }
  Server server;
  std::unique_ptr<Session> session;
};

using Alive = std::map<std::pair<std::string, ServerKind>, std::unique_ptr<Subject>>;

Measurement measure(const Plan& plan, ServerKind kind, const Workload& workload, Alive& alive) {
  stop_if_interrupted();
  try {
    if (!plan.all_alive) {
      Subject subject(kind, workload, plan.paths);
      return subject.session->measure(subject.server, plan.measure);
    }
    std::unique_ptr<Subject>& subject = alive[{workload.name, kind}];
    if (!subject) subject = std::make_unique<Subject>(kind, workload, plan.paths);
    return subject->session->measure(subject->server, plan.measure);
  } catch (const BenchError& error) {
    throw BenchError(workload.name + " on " + server_name(kind) + ": " + error.what());
  }
}

std::string family_of(const Workload& workload) {
  return workload.name.substr(0, workload.name.find('-'));
}

// Adds one result for each workload of `family`.
void run_family(const Plan& plan, std::span<const Workload> family,
                std::vector<WorkloadResult>& results) {
  const std::size_t first = results.size();
  for (const Workload& workload : family) results.push_back({workload.name, workload.title, {}});
  Alive alive;
  for (unsigned pair = 0; pair < plan.pairs; ++pair) {
    for (std::size_t w = 0; w < family.size(); ++w) {
      for (std::size_t i = 0; i < plan.servers.size(); ++i) {
        const ServerKind kind = plan.servers[(i + pair) % plan.servers.size()];
        if (family[w].guests && kind == ServerKind::kEcho) continue;
        results[first + w].runs[kind].push_back(measure(plan, kind, family[w], alive));
      }
    }
  }
}

}  // namespace

std::vector<WorkloadResult> run_plan(const Plan& plan, std::ostream& progress) {
  std::vector<WorkloadResult> results;
  std::span<const Workload> left = plan.workloads;
  while (!left.empty()) {
    const std::string family = family_of(left.front());
    const auto end = std::find_if(left.begin(), left.end(),
                                  [&](const Workload& w) { return family_of(w) != family; });
    const auto size = static_cast<std::size_t>(end - left.begin());
    progress << "running " << family << " (" << left.size() << " workloads left)" << std::endl;
    run_family(plan, left.first(size), results);
    left = left.subspan(size);
  }
  return results;
}

Measurement median_of(const std::vector<Measurement>& runs) {
  Measurement m;
  m.operations = median_field(runs, &Measurement::operations);
  m.requests = median_field(runs, &Measurement::requests);
  m.retries = median_field(runs, &Measurement::retries);
  m.operations_per_second = median_field(runs, &Measurement::operations_per_second);
  m.requests_per_second = median_field(runs, &Measurement::requests_per_second);
  m.p50_us = median_field(runs, &Measurement::p50_us);
  m.p99_us = median_field(runs, &Measurement::p99_us);
  m.main_cpu_us = median_field(runs, &Measurement::main_cpu_us);
  m.all_cpu_us = median_field(runs, &Measurement::all_cpu_us);
  m.quiet = std::all_of(runs.begin(), runs.end(), [](const Measurement& r) { return r.quiet; });
  return m;
}

std::optional<double> median_ratio(const std::vector<Measurement>& ours,
                                   const std::vector<Measurement>& theirs,
                                   double Measurement::*field) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
    if (theirs[i].*field > 0) ratios.push_back(ours[i].*field / theirs[i].*field);
  }
  if (ratios.empty()) return std::nullopt;
  return median(std::move(ratios));
}

std::optional<double> ratio_to_c(const WorkloadResult& result, ServerKind server,
                                 double Measurement::*field) {
  if (!result.has(server) || !result.has(ServerKind::kStockC)) return std::nullopt;
  return median_ratio(result.runs.at(server), result.runs.at(ServerKind::kStockC), field);
}

}  // namespace vxs::bench
