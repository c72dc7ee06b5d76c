// The parts of the benchmark that can be wrong without anybody noticing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/bench/bars.hh"
#include "tests/bench/error.hh"
#include "tests/bench/runner.hh"
#include "tests/bench/sample_tree.hh"
#include "tests/bench/vm_life.hh"

namespace vxs::bench {
namespace {

Measurement with_cpu(double main_cpu_us, std::uint64_t retries = 0) {
  Measurement m;
  m.main_cpu_us = main_cpu_us;
  m.all_cpu_us = main_cpu_us;
  m.retries = retries;
  return m;
}

WorkloadResult result(const std::string& name, std::vector<Measurement> c,
                      std::vector<Measurement> vxs) {
  return {
      name, name, {{ServerKind::kStockC, std::move(c)}, {ServerKind::kVxenstored, std::move(vxs)}}};
}

TEST(Bench, AVmStartIs123RequestsIn6Transactions) {
  std::size_t requests = 0;
  const auto blocks = vm_start_blocks(7);
  for (const Block& block : blocks) {
    EXPECT_TRUE(block.transactional);
    requests += block.request_count();
  }
  EXPECT_EQ(blocks.size(), 6U);
  EXPECT_EQ(requests, kVmStartRequests);
}

TEST(Bench, ADomainOfTheSampleTreeHas60Nodes) {
  const std::string domain = "/local/domain/5";
  std::set<std::string> nodes;
  for (std::string path : domain_leaves(5)) {
    ASSERT_TRUE(path.starts_with(domain + "/"));
    for (; path.size() >= domain.size(); path.resize(path.rfind('/'))) nodes.insert(path);
  }
  EXPECT_EQ(nodes.size(), kNodesPerDomain);
}

TEST(Bench, RatiosAreTakenPairByPairBeforeTheMedian) {
  // Medians alone would give 20 / 20.
  const auto r = result("write-1", {with_cpu(10), with_cpu(20), with_cpu(40)},
                        {with_cpu(20), with_cpu(10), with_cpu(80)});
  EXPECT_DOUBLE_EQ(*ratio_to_c(r, ServerKind::kVxenstored, &Measurement::main_cpu_us), 2.0);
  EXPECT_FALSE(ratio_to_c(r, ServerKind::kEcho, &Measurement::main_cpu_us).has_value());
}

TEST(Bench, AMedianOfFieldsIsOneRunsFigureOrTheMeanOfTwo) {
  EXPECT_DOUBLE_EQ(median_of({with_cpu(3), with_cpu(1), with_cpu(9)}).main_cpu_us, 3.0);
  EXPECT_DOUBLE_EQ(median_of({with_cpu(3), with_cpu(1)}).main_cpu_us, 2.0);
}

TEST(Bench, BarsHoldAtTheirLimitAndNotBeyond) {
  const std::vector<WorkloadResult> results{
      result("read-1", {with_cpu(10)}, {with_cpu(10)}),
      result("write-1", {with_cpu(10)}, {with_cpu(10.1)}),
      result("ring-read-16", {with_cpu(10)}, {with_cpu(11)}),
      result("siblings-8", {with_cpu(10, 99)}, {with_cpu(1, 1)}),
      result("watches-0", {with_cpu(10)}, {with_cpu(10)}),
      result("watches-10000", {with_cpu(100)}, {with_cpu(11)}),
  };
  std::map<std::string, bool> held;
  for (const BarCheck& check : check_bars(results, default_bars(), 1.0)) {
    held[check.what] = check.held();
  }
  EXPECT_THAT(held,
              testing::UnorderedElementsAre(testing::Pair("cpu-ratio of read-1", true),
                                            testing::Pair("cpu-ratio of write-1", false),
                                            testing::Pair("cpu-ratio of ring-read-16", false),
                                            testing::Pair("eagain of siblings-8", false),
                                            testing::Pair("watch-growth of watches-10000", true)));
}

TEST(Bench, GrowthBesideAThousandGuestsIsHeldToItsBar) {
  const std::vector<WorkloadResult> results{
      result("scale-start-10", {with_cpu(500)}, {with_cpu(100)}),
      result("scale-start-1000", {with_cpu(500)}, {with_cpu(121)}),
      result("scale-read-10", {with_cpu(10)}, {with_cpu(10)}),
      result("scale-read-1000", {with_cpu(99)}, {with_cpu(12)}),
  };
  std::map<std::string, bool> held;
  for (const BarCheck& check : check_bars(results, {{"scale-growth", 1.2}}, 1.0)) {
    held[check.what] = check.held();
  }
  EXPECT_THAT(held,
              testing::UnorderedElementsAre(testing::Pair("scale-growth of scale-start", false),
                                            testing::Pair("scale-growth of scale-read", true)));
}

TEST(Bench, KeepingCostsWhatARequestTakesMoreThanWithVolatileConnections) {
  const auto pair = [](const std::string& name, double plain, double kept, std::uint64_t requests) {
    Measurement m = with_cpu(kept);
    m.operations = 10;
    m.requests = requests;
    return WorkloadResult{
        name, name, {{ServerKind::kVxenstored, {with_cpu(plain)}}, {ServerKind::kKept, {m}}}};
  };
  std::map<std::string, bool> held;
  const std::vector<WorkloadResult> results{
      pair("read-1", 8.0, 8.5, 10), pair("write-1", 8.0, 8.7, 10), pair("tx-1", 100.0, 104.0, 80)};
  for (const BarCheck& check : check_bars(results, {{"keep-cost", 0.6}}, 1.0)) {
    held[check.what] = check.held();
  }
  EXPECT_THAT(held, testing::UnorderedElementsAre(
                        testing::Pair("keep-cost of read-1", true),
                        testing::Pair("keep-cost of write-1", false),
                        testing::Pair("keep-cost of tx-1", true),
                        testing::Pair("keep-cost, all threads, of read-1", true),
                        testing::Pair("keep-cost, all threads, of write-1", false),
                        testing::Pair("keep-cost, all threads, of tx-1", true)));
}

TEST(Bench, ABarWithNothingToLookAtIsAnError) {
  EXPECT_THROW((void)check_bars({}, default_bars(), 1.0), BenchError);
  const std::vector<WorkloadResult> without_c{
      {"read-1", "", {{ServerKind::kVxenstored, {with_cpu(1)}}}}};
  EXPECT_THROW((void)check_bars(without_c, {{"cpu-ratio", 1.0}}, 1.0), BenchError);
}

TEST(Bench, BarsAreReadAsNameAndLimit) {
  Bars bars;
  parse_bar("cpu-ratio=0.5", bars);
  EXPECT_EQ(bars, (Bars{{"cpu-ratio", 0.5}}));
  for (const char* bad : {"cpu-ratio", "cpu-ratio=", "cpu-ratio=x", "cpu-ratio=-1", "speed=1"}) {
    EXPECT_THROW(parse_bar(bad, bars), BenchError) << bad;
  }
}

}  // namespace
}  // namespace vxs::bench
