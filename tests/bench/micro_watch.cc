// What an event costs to match, with no, 1,000 and 10,000 watches that it does not concern.
#include <benchmark/benchmark.h>

#include <string>

#include "daemon/watch/watch_index.hh"

namespace {

using Index = vxs::daemon::BasicWatchIndex<std::uint64_t>;

/// As guests and toolstacks place them, in other domains' directories.
std::string unrelated(std::size_t i) {
  return "/local/domain/" + std::to_string(1'000 + i / 8) + "/device/vbd/" + std::to_string(i % 8) +
         "/state";
}

void fill(Index& index, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) index.add(unrelated(i), {}, 1'000 + i);
  index.add("/local/domain/5/device/vbd/51712/state", {}, 1);
  index.add("/local/domain/5/device", 3, 2);
  index.add("@releaseDomain", {}, 3);
}

void match_beside_unrelated_watches(benchmark::State& state) {
  Index index;
  fill(index, static_cast<std::size_t>(state.range(0)));
  std::uint64_t sum = 0;
  for (auto _ : state) {
    index.match("/local/domain/5/device/vbd/51712/state", [&sum](std::uint64_t id) { sum += id; });
  }
  benchmark::DoNotOptimize(sum);
  state.counters["bytes_per_watch"] =
      static_cast<double>(index.bytes()) / static_cast<double>(index.size());
}

void match_nothing_beside_unrelated_watches(benchmark::State& state) {
  Index index;
  fill(index, static_cast<std::size_t>(state.range(0)));
  std::uint64_t sum = 0;
  for (auto _ : state) {
    index.match("/local/domain/6/control/shutdown", [&sum](std::uint64_t id) { sum += id; });
  }
  benchmark::DoNotOptimize(sum);
}

void subtree_beside_unrelated_watches(benchmark::State& state) {
  Index index;
  fill(index, static_cast<std::size_t>(state.range(0)));
  std::uint64_t sum = 0;
  for (auto _ : state) {
    index.match_subtree_exact("/local/domain/5", true, [&sum](std::uint64_t id) { sum += id; });
  }
  benchmark::DoNotOptimize(sum);
}

void add_and_remove_beside_unrelated_watches(benchmark::State& state) {
  Index index;
  fill(index, static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    index.add("/local/domain/7/control/shutdown", {}, 9);
    benchmark::DoNotOptimize(index.remove("/local/domain/7/control/shutdown", 9));
  }
}

void counts(benchmark::internal::Benchmark* b) { b->Arg(0)->Arg(1'000)->Arg(10'000)->Arg(100'000); }

BENCHMARK(match_beside_unrelated_watches)->Apply(counts);
BENCHMARK(match_nothing_beside_unrelated_watches)->Apply(counts);
BENCHMARK(subtree_beside_unrelated_watches)->Apply(counts);
BENCHMARK(add_and_remove_beside_unrelated_watches)->Apply(counts);

}  // namespace
