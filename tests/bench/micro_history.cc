// Commits per CPU second of the history writer (bar: 20,000 at 1,000 domains of 60 nodes).
// The figures are CPU time: fsync is off and the repository lies in /dev/shm.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "store/history/history_writer.hh"

namespace {

using namespace vxs;         // NOLINT(google-build-using-namespace): a program's only file
using namespace vxs::store;  // NOLINT(google-build-using-namespace)

constexpr int kDevices = 4;
constexpr int kKeysOfDevice = 6;

// A writer with `domains` domains of about 60 nodes each, and records that change them.
class Bench {
 public:
  explicit Bench(int domains) : domains_(domains) {
    if (mkdtemp(directory_.data()) == nullptr) throw std::runtime_error("mkdtemp");
    const std::array entries{protocol::PermEntry{0, protocol::Access::kNone, 0}};
    perms_ = perm_table_.intern(entries);
    HistoryOptions options;
    options.repository = directory_ + "/history.git";
    options.host = "bench";
    options.boot_id = "00000000-0000-0000-0000-000000000000";
    options.sync = false;
    options.fold_rate = 0;
    auto opened = open_history_writer(*env_, options);
    if (!opened) throw std::runtime_error(opened.error().message);
    writer_ = *std::move(opened);
    create("/local");
    create("/local/domain");
    create("/local/domain/0");
    create("/local/domain/0/backend");
    create("/local/domain/0/backend/vif");
    commit(CommitKind::kDaemon, 0);
    for (int domain = 1; domain <= domains; ++domain) add_domain(domain);
    publish();
  }
  ~Bench() {
    writer_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  void write(std::string path, std::string value) {
    changes_.push_back({ChangeKind::kWrite, std::move(path), std::move(value)});
  }
  void commit(CommitKind kind, Seq base_seq) {
    std::vector<Change> views;
    views.reserve(changes_.size());
    for (const Step& step : changes_) {
      views.push_back({step.kind, false, step.path, step.value, perms_});
    }
    CommitRecord record;
    record.seq = ++seq_;
    record.time_us = static_cast<std::int64_t>(seq_) * 50 + 1'700'000'000'000'000;
    record.origin.connection = 5;
    record.kind = kind;
    record.base_seq = base_seq;
    record.tx_id = kind == CommitKind::kSingle ? 0 : 9;
    record.changes = views;
    if (const auto done = writer_->add(record); !done) {
      throw std::runtime_error(done.error().message);
    }
    changes_.clear();
    if (writer_->pack_is_full()) publish();
  }
  void publish() {
    if (const auto done = writer_->publish(); !done) throw std::runtime_error(done.error().message);
  }
  std::string random_key() {
    const int domain = 1 + static_cast<int>(random_() % static_cast<unsigned>(domains_));
    return "/local/domain/" + std::to_string(domain) + "/device/vif/" +
           std::to_string(random_() % kDevices) + "/key" +
           std::to_string(random_() % kKeysOfDevice);
  }
  std::string random_value() { return std::to_string(random_() % 1000); }
  [[nodiscard]] Seq seq() const { return seq_; }
  [[nodiscard]] HistoryStats stats() const { return writer_->stats(); }

 private:
  struct Step {
    ChangeKind kind;
    std::string path, value;
  };

  void create(std::string path, std::string value = "") {
    changes_.push_back({ChangeKind::kCreate, std::move(path), std::move(value)});
  }
  void add_domain(int domain) {
    const std::string home = "/local/domain/" + std::to_string(domain);
    create(home);
    for (int i = 0; i < 12; ++i) create(home + "/key" + std::to_string(i), "value");
    create(home + "/device");
    create(home + "/device/vif");
    for (int device = 0; device < kDevices; ++device) {
      const std::string path = home + "/device/vif/" + std::to_string(device);
      create(path);
      for (int i = 0; i < kKeysOfDevice; ++i) create(path + "/key" + std::to_string(i), "1");
    }
    const std::string backend = "/local/domain/0/backend/vif/" + std::to_string(domain);
    create(backend);
    create(backend + "/0");
    for (int i = 0; i < 15; ++i) create(backend + "/0/key" + std::to_string(i), "2");
    commit(CommitKind::kTransaction, 0);
  }

  int domains_;
  std::string directory_ = "/dev/shm/vxs-XXXXXX";
  std::unique_ptr<Env> env_ = make_posix_env();
  PermTable perm_table_;
  PermRef perms_;
  std::unique_ptr<HistoryWriter> writer_;
  std::vector<Step> changes_;
  std::mt19937_64 random_{1};
  Seq seq_ = 0;
};

void report(benchmark::State& state, const Bench& bench, const HistoryStats& before) {
  const HistoryStats now = bench.stats();
  const auto commits = static_cast<double>(now.commits - before.commits);
  state.SetItemsProcessed(static_cast<std::int64_t>(now.commits - before.commits));
  state.counters["bytes_per_commit"] = static_cast<double>(now.bytes - before.bytes) / commits;
}

void HistorySingleWrites(benchmark::State& state) {
  Bench bench(static_cast<int>(state.range(0)));
  const HistoryStats before = bench.stats();
  for ([[maybe_unused]] auto iteration : state) {
    bench.write(bench.random_key(), bench.random_value());
    bench.commit(CommitKind::kSingle, 0);
  }
  bench.publish();
  report(state, bench, before);
}
BENCHMARK(HistorySingleWrites)->Arg(10)->Arg(100)->Arg(1000)->Arg(10000);

void HistoryThreeValueCommits(benchmark::State& state) {
  Bench bench(static_cast<int>(state.range(0)));
  const HistoryStats before = bench.stats();
  for ([[maybe_unused]] auto iteration : state) {
    const std::string key = bench.random_key();
    const std::string device = key.substr(0, key.rfind('/'));
    for (const char* name : {"/key0", "/key1", "/key2"}) {
      bench.write(device + name, bench.random_value());
    }
    bench.commit(CommitKind::kTransaction, bench.seq());
  }
  bench.publish();
  report(state, bench, before);
}
BENCHMARK(HistoryThreeValueCommits)->Arg(10)->Arg(100)->Arg(1000)->Arg(10000);

// Every commit a branch on the version 8 commits ago and its merge.
void HistoryMerges(benchmark::State& state) {
  Bench bench(static_cast<int>(state.range(0)));
  const HistoryStats before = bench.stats();
  for ([[maybe_unused]] auto iteration : state) {
    bench.write(bench.random_key(), bench.random_value());
    bench.commit(CommitKind::kMerge, bench.seq() > 8 ? bench.seq() - 8 : 1);
  }
  bench.publish();
  report(state, bench, before);
}
BENCHMARK(HistoryMerges)->Arg(1000);

}  // namespace

