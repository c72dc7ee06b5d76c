// What the tree costs: domains of 60 nodes as a toolstack makes them, at 10, 1,000 and 10,000.
#include <benchmark/benchmark.h>

#include <array>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "store/tree.hh"

namespace {

using vxs::store::Change;
using vxs::store::ChangeKind;
using vxs::store::PermRef;
using vxs::store::PermTable;
using vxs::store::Tree;
using vxs::store::TreeStats;

/// The 60 nodes of a domain, below /local/domain/N, parents first.
const std::vector<std::string>& domain_paths() {
  static const std::vector<std::string> paths = [] {
    std::vector<std::string> made{"",
                                  "/vm",
                                  "/vss",
                                  "/name",
                                  "/cpu",
                                  "/cpu/0",
                                  "/memory",
                                  "/memory/target",
                                  "/device",
                                  "/error",
                                  "/drivers",
                                  "/control",
                                  "/control/shutdown",
                                  "/attr",
                                  "/data",
                                  "/messages",
                                  "/vm-data",
                                  "/store",
                                  "/store/port"};
    for (const std::string device : {"/device/vbd", "/device/vif"}) {
      made.push_back(device);
      for (const std::string number : {"/51712", "/51728"}) {
        made.push_back(device + number);
        for (const char* key : {"backend", "backend-id", "state", "virtual-device", "ring-ref",
                                "event-channel", "protocol", "online"}) {
          made.push_back(device + number + "/" + key);
        }
      }
    }
    made.resize(60, "/device/vif");
    return made;
  }();
  return paths;
}

class Store {
 public:
  explicit Store(std::size_t domains) : domains_(domains) {
    create("/local");
    create("/local/domain");
    for (std::size_t i = 0; i < domains; ++i) {
      const std::string base = "/local/domain/" + std::to_string(i);
      for (const std::string& path : domain_paths()) create(base + path);
    }
    std::mt19937 random(1);
    for (std::size_t i = 0; i < 4'096; ++i) {
      const std::string domain = "/local/domain/" + std::to_string(random() % domains);
      domain_nodes.push_back(domain);
      shallow.push_back(domain + "/control/shutdown");
      deep.push_back(domain + "/device/vbd/51712/state");
    }
  }
  void create(const std::string& path) {
    const bool fits = tree.apply({ChangeKind::kCreate, false, path, "0123456789", perms}, ++seq);
    if (!fits && path.find("/device/vif") == std::string::npos) std::abort();
  }

  TreeStats stats;
  PermTable table;
  PermRef perms =
      table.intern(std::array<vxs::protocol::PermEntry, 1>{{{0, vxs::protocol::Access::kNone, 0}}});
  Tree tree{stats, perms, perms, perms};
  vxs::Seq seq = 0;
  std::vector<std::string> domain_nodes;
  std::vector<std::string> shallow;  ///< five components
  std::vector<std::string> deep;     ///< seven components

 private:
  std::size_t domains_;
};

Store& store_of(std::size_t domains) {
  static std::vector<std::pair<std::size_t, std::unique_ptr<Store>>> stores;
  for (auto& [size, store] : stores) {
    if (size == domains) return *store;
  }
  stores.emplace_back(domains, std::make_unique<Store>(domains));
  return *stores.back().second;
}

/// Paths to work on: `hot` always the same few, else any of the store.
std::size_t mask(const benchmark::State& state) { return state.range(1) != 0 ? 7 : 4'095; }

void find_depth_5(benchmark::State& state) {
  Store& store = store_of(static_cast<std::size_t>(state.range(0)));
  std::size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(store.tree.find(store.shallow[i++ & mask(state)]));
  }
}

void find_depth_7(benchmark::State& state) {
  Store& store = store_of(static_cast<std::size_t>(state.range(0)));
  std::size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(store.tree.find(store.deep[i++ & mask(state)]));
  }
}

void write_in_place(benchmark::State& state) {
  Store& store = store_of(static_cast<std::size_t>(state.range(0)));
  std::size_t i = 0;
  for (auto _ : state) {
    const Change change{ChangeKind::kWrite, false, store.deep[i++ & mask(state)], "9876543210", {}};
    benchmark::DoNotOptimize(store.tree.apply(change, ++store.seq));
  }
}

void write_after_snapshot(benchmark::State& state) {
  Store& store = store_of(static_cast<std::size_t>(state.range(0)));
  std::size_t i = 0;
  for (auto _ : state) {
    const Tree snapshot = store.tree;
    const Change change{ChangeKind::kWrite, false, store.deep[i++ & mask(state)], "9876543210", {}};
    benchmark::DoNotOptimize(store.tree.apply(change, ++store.seq));
  }
}

void create_and_remove_a_domain(benchmark::State& state) {
  Store& store = store_of(static_cast<std::size_t>(state.range(0)));
  std::size_t i = 0;
  for (auto _ : state) {
    const std::string path = "/local/domain/x" + std::to_string(i++);
    store.create(path);
    const Change change{ChangeKind::kRemove, false, path, {}, {}};
    benchmark::DoNotOptimize(store.tree.apply(change, ++store.seq));
  }
}

void directory_page(benchmark::State& state) {
  Store& store = store_of(static_cast<std::size_t>(state.range(0)));
  const vxs::store::Node& node = *store.tree.find("/local/domain");
  std::string page;
  std::size_t offset = 0;
  for (auto _ : state) {
    page.clear();
    offset = (offset + 7'919) % node.child_names_bytes();
    benchmark::DoNotOptimize(node.append_child_names(page, offset, 4'000));
  }
}

void load_all(benchmark::State& state) {
  Store& store = store_of(static_cast<std::size_t>(state.range(0)));
  std::vector<std::string> paths;
  store.tree.walk([&paths](std::string_view path, const vxs::store::Node&) {
    paths.emplace_back(path);
    return true;
  });
  for (auto _ : state) {
    TreeStats stats;
    Tree tree(stats, store.perms, store.perms, store.perms);
    for (const std::string& path : paths) {
      benchmark::DoNotOptimize(tree.load(path, "0123456789", store.perms, 1));
    }
  }
  state.counters["nodes"] = static_cast<double>(paths.size());
  state.counters["ns_per_node"] = benchmark::Counter(
      static_cast<double>(paths.size()) * 1e-9,
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void walk_all(benchmark::State& state) {
  Store& store = store_of(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(store.tree.state_hash());
  const auto nodes = static_cast<double>(store.tree.node_count());
  state.counters["bytes_per_node"] = static_cast<double>(store.tree.bytes()) / nodes;
  state.counters["ns_per_node"] = benchmark::Counter(
      nodes * 1e-9, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void sizes(benchmark::internal::Benchmark* b) {
  for (const int domains : {10, 1'000, 10'000}) b->Arg(domains);
}
void sizes_hot_and_cold(benchmark::internal::Benchmark* b) {
  b->ArgNames({"domains", "hot"});
  for (const int domains : {10, 1'000, 10'000}) {
    b->Args({domains, 1});
    b->Args({domains, 0});
  }
}

BENCHMARK(find_depth_5)->Apply(sizes_hot_and_cold);
BENCHMARK(find_depth_7)->Apply(sizes_hot_and_cold);
BENCHMARK(write_in_place)->Apply(sizes_hot_and_cold);
BENCHMARK(write_after_snapshot)->Apply(sizes_hot_and_cold);
BENCHMARK(create_and_remove_a_domain)->Apply(sizes);
BENCHMARK(directory_page)->Apply(sizes);
BENCHMARK(load_all)->Apply(sizes)->Unit(benchmark::kMillisecond);
BENCHMARK(walk_all)->Apply(sizes)->Unit(benchmark::kMillisecond);

}  // namespace
