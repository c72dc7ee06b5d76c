#include "tests/bench/meter.hh"

#include <algorithm>
#include <vector>

namespace vxs::bench {

namespace {

constexpr int kQuietLimitMs = 5000;
constexpr int kStockSettleMs = 100;  // these put nothing off

double percentile_us(std::vector<std::uint64_t>& samples, double fraction) {
  if (samples.empty()) return 0;
  const auto rank = static_cast<std::size_t>(fraction * static_cast<double>(samples.size() - 1));
  const auto at = samples.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(samples.begin(), at, samples.end());
  return static_cast<double>(*at) / 1000.0;
}

}  // namespace

Meter::Meter(const Server& server, const MeasureOptions& options)
    : pid_(server.pid()),
      settle_ms_(server.kind() == ServerKind::kVxenstored || server.kind() == ServerKind::kKept
                     ? static_cast<int>(options.settle.count())
                     : kStockSettleMs) {}

void Meter::begin() {
  quiet_ = wait_until_quiet(pid_, settle_ms_, kQuietLimitMs) && quiet_;
  before_ = read_cpu_times(pid_);
}

void Meter::finish(const LoadResult& load) {
  quiet_ = wait_until_quiet(pid_, settle_ms_, kQuietLimitMs) && quiet_;
  const CpuTimes after = read_cpu_times(pid_);
  used_.main_ns += after.main_ns - before_.main_ns;
  used_.all_ns += after.all_ns - before_.all_ns;
  load_.operations += load.operations;
  load_.requests += load.requests;
  load_.retries += load.retries;
  load_.seconds += load.seconds;
  load_.latencies_ns.insert(load_.latencies_ns.end(), load.latencies_ns.begin(),
                            load.latencies_ns.end());
}

Measurement Meter::result() const {
  Measurement m;
  m.operations = load_.operations;
  m.requests = load_.requests;
  m.retries = load_.retries;
  m.quiet = quiet_;
  if (load_.operations == 0 || load_.seconds <= 0) return m;
  const auto operations = static_cast<double>(load_.operations);
  m.operations_per_second = operations / load_.seconds;
  m.requests_per_second = static_cast<double>(load_.requests) / load_.seconds;
  std::vector<std::uint64_t> samples = load_.latencies_ns;
  m.p50_us = percentile_us(samples, 0.50);
  m.p99_us = percentile_us(samples, 0.99);
  m.main_cpu_us = static_cast<double>(used_.main_ns) / 1000.0 / operations;
  m.all_cpu_us = static_cast<double>(used_.all_ns) / 1000.0 / operations;
  return m;
}

}  // namespace vxs::bench
