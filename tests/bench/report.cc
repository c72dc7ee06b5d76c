#include "tests/bench/report.hh"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

namespace vxs::bench {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kColumns = 11;
using Row = std::array<std::string, kColumns>;

const Row kHeading{"workload",       "server",        "ops/s",     "requests/s", "p50 µs", "p99 µs",
                   "CPU main µs/op", "CPU all µs/op", "EAGAIN/op", "main ÷ C",   "all ÷ C"};

// Three significant figures are more than the machine's noise allows.
std::string number(double value) {
  if (value >= 10'000) return fmt::format("{:.0f}k", value / 1000);
  if (value >= 1'000) return fmt::format("{:.1f}k", value / 1000);
  if (value >= 100) return fmt::format("{:.0f}", value);
  if (value >= 10) return fmt::format("{:.1f}", value);
  return fmt::format("{:.2f}", value);
}

std::string microseconds(double value) {
  return value >= 100 ? fmt::format("{:.0f}", value) : number(value);
}

std::string ratio_text(const WorkloadResult& result, ServerKind server,
                       double Measurement::*field) {
  const auto ratio = ratio_to_c(result, server, field);
  return ratio ? fmt::format("{:.2f}", *ratio) : "";
}

Row row_of(const WorkloadResult& result, ServerKind server) {
  const Measurement m = median_of(result.runs.at(server));
  const double retries =
      m.operations == 0 ? 0 : static_cast<double>(m.retries) / static_cast<double>(m.operations);
  return {result.title,
          server_name(server),
          number(m.operations_per_second),
          number(m.requests_per_second),
          microseconds(m.p50_us),
          microseconds(m.p99_us),
          microseconds(m.main_cpu_us),
          microseconds(m.all_cpu_us) + (m.quiet ? "" : " (busy)"),
          m.retries == 0 ? "0" : fmt::format("{:.2f}", retries),
          ratio_text(result, server, &Measurement::main_cpu_us),
          ratio_text(result, server, &Measurement::all_cpu_us)};
}

std::vector<Row> rows_of(const std::vector<WorkloadResult>& results) {
  std::vector<Row> rows{kHeading};
  for (const WorkloadResult& result : results) {
    for (const auto& [server, runs] : result.runs) rows.push_back(row_of(result, server));
  }
  return rows;
}

// Characters, not bytes: µ and ÷ are two bytes each.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string host_text() {
  utsname name{};
  ::uname(&name);
  std::string model = "unknown CPU";
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    model = line.substr(line.find(':') + 2);
    break;
  }
  return fmt::format("{} cores, {}, Linux {}", std::thread::hardware_concurrency(), model,
                     name.release);
}

Json json_of(const Measurement& m) {
  return {{"operations", m.operations},
          {"requests", m.requests},
          {"eagain", m.retries},
          {"operations_per_second", m.operations_per_second},
          {"requests_per_second", m.requests_per_second},
          {"p50_us", m.p50_us},
          {"p99_us", m.p99_us},
          {"main_cpu_us_per_operation", m.main_cpu_us},
          {"all_cpu_us_per_operation", m.all_cpu_us},
          {"quiet", m.quiet}};
}

Json ratios_of(const WorkloadResult& result, ServerKind server) {
  Json ratios = Json::object();
  const auto add = [&](const char* name, double Measurement::*field) {
    if (const auto ratio = ratio_to_c(result, server, field)) ratios[name] = *ratio;
  };
  add("main_cpu", &Measurement::main_cpu_us);
  add("all_cpu", &Measurement::all_cpu_us);
  add("operations_per_second", &Measurement::operations_per_second);
  add("p50", &Measurement::p50_us);
  add("p99", &Measurement::p99_us);
  return ratios;
}

Json json_of(const WorkloadResult& result) {
  Json servers = Json::object();
  for (const auto& [server, runs] : result.runs) {
    Json all = Json::array();
    for (const Measurement& run : runs) all.push_back(json_of(run));
    servers[server_name(server)] = {{"median", json_of(median_of(runs))},
                                    {"ratio_to_c", ratios_of(result, server)},
                                    {"runs", std::move(all)}};
  }
  return {{"name", result.name}, {"title", result.title}, {"servers", std::move(servers)}};
}

}  // namespace

void print_table(std::ostream& out, const std::vector<WorkloadResult>& results) {
  const std::vector<Row> rows = rows_of(results);
  std::array<std::size_t, kColumns> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string title;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < kColumns; ++i) {
      // A workload's name stands at its first row only.
      const std::string& text = i == 0 && row[0] == title ? std::string() : row[i];
      const std::string padding(widths[i] - width_of(text), ' ');
      out << (i < 2 ? text + padding : padding + text) << (i + 1 == kColumns ? "\n" : "  ");
    }
    title = row[0];
  }
}

void print_markdown(std::ostream& out, const Plan& plan,
                    const std::vector<WorkloadResult>& results) {
  out << fmt::format("{}; {} runs each, {}, interleaved, {} ms; medians, ratios by pair.\n\n",
                     host_text(), plan.pairs,
                     plan.all_alive ? "all daemons alive and one loaded" : "one daemon at a time",
                     plan.measure.duration.count());
  const std::vector<Row> rows = rows_of(results);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (const std::string& text : rows[r]) out << "| " << text << " ";
    out << "|\n";
    if (r > 0) continue;
    for (std::size_t i = 0; i < kColumns; ++i) out << (i < 2 ? "|---" : "|--:");
    out << "|\n";
  }
}

void print_json(std::ostream& out, const Plan& plan, const std::vector<WorkloadResult>& results,
                const std::vector<BarCheck>& checks) {
  Json workloads = Json::array();
  for (const WorkloadResult& result : results) workloads.push_back(json_of(result));
  Json bars = Json::array();
  for (const BarCheck& check : checks) {
    bars.push_back({{"bar", check.what},
                    {"value", check.value},
                    {"limit", check.limit},
                    {"held", check.held()}});
  }
  const Json all = {{"host", host_text()},
                    {"plan",
                     {{"pairs", plan.pairs},
                      {"all_alive", plan.all_alive},
                      {"duration_ms", plan.measure.duration.count()}}},
                    {"workloads", std::move(workloads)},
                    {"bars", std::move(bars)}};
  out << all.dump(2) << "\n";
}

void print_bars(std::ostream& out, const std::vector<BarCheck>& checks) {
  for (const BarCheck& check : checks) {
    out << fmt::format("{} {}: {:.2f}, limit {:.2f}\n", check.held() ? "held    " : "EXCEEDED",
                       check.what, check.value, check.limit);
  }
}

}  // namespace vxs::bench
