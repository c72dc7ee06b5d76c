// The journal's parts: an append, replay, checkpoints. Files on /dev/shm.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "store/journal/checkpoint.hh"
#include "store/journal/journal.hh"
#include "store/journal/tail.hh"

namespace {

using namespace vxs;
using namespace vxs::store;

class Directory {
 public:
  Directory() {
    std::string pattern = "/dev/shm/vxs-bench-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = pattern;
  }
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct World {
  World() : tree(stats, perms_of(0), perms_of(0), perms_of(0)) {}
  [[nodiscard]] PermRef perms_of(DomId owner) {
    const protocol::PermEntry entries[] = {{owner, protocol::Access::kNone, 0},
                                           {0, protocol::Access::kRead, 0}};
    return perms.intern(entries);
  }
  PermTable perms;
  TreeStats stats;
  Tree tree;
};

JournalOptions options_for(const Directory& directory, Durability durability) {
  JournalOptions options;
  options.directory = directory.path();
  options.durability = durability;
  options.boot_id = "bench";
  return options;
}

std::unique_ptr<Journal> open_or_throw(Env& env, const JournalOptions& options, World& world) {
  RecoveryReport report;
  auto journal = open_journal(env, options, world.perms, world.tree, report, [] {});
  if (!journal) throw std::runtime_error(journal.error().message);
  return std::move(*journal);
}

// One WRITE of a 20 byte path and a 20 byte value, as a socket client does it.
struct OneWrite {
  OneWrite() {
    change.path = "/local/domain/5/name";
    change.value = "01234567890123456789";
  }
  [[nodiscard]] Record record(Seq seq) const {
    return CommitRecord{.seq = seq,
                        .time_us = 1'700'000'000'000'000,
                        .origin = {.connection = 12, .pid = 3456, .command = "xenstore-write"},
                        .kind = CommitKind::kSingle,
                        .changes = {&change, 1}};
  }
  Change change;
};

void append(benchmark::State& state) {
  const Directory directory;
  const auto env = make_posix_env();
  World world;
  auto options = options_for(directory, static_cast<Durability>(state.range(0)));
  const auto journal = open_or_throw(*env, options, world);
  const OneWrite write;
  Seq seq = 0;
  std::uint64_t freed = 0;
  for (auto _ : state) {
    if (!journal->append(write.record(++seq))) {
      state.SkipWithError("append failed");
      break;
    }
    if (journal->wants_preparation()) {
      state.PauseTiming();
      journal->prepare();
      if (++freed % 4 == 0) {
        journal->checkpoint_done(seq);
        journal->history_done(seq);
      }
      state.ResumeTiming();
    }
  }
}
BENCHMARK(append)->Arg(static_cast<int>(Durability::kMemory))->ArgName("policy");
BENCHMARK(append)->Arg(static_cast<int>(Durability::kProcess))->ArgName("policy");

void append_and_tail(benchmark::State& state) {
  const Directory directory;
  const auto env = make_posix_env();
  World world;
  const auto journal = open_or_throw(*env, options_for(directory, Durability::kProcess), world);
  PermTable perms;
  const auto tail = open_tail(*env, *journal, perms, 1);
  const OneWrite write;
  const std::function<void(const Record&)> visit = [](const Record& record) {
    benchmark::DoNotOptimize(record_seq(record));
  };
  Seq seq = 0;
  for (auto _ : state) {
    if (!journal->append(write.record(++seq)) || tail->next(visit) != JournalTail::Next::kRecord) {
      state.SkipWithError("failed");
      break;
    }
    if (journal->wants_preparation()) {
      state.PauseTiming();
      journal->prepare();
      journal->checkpoint_done(seq);
      journal->history_done(seq);
      state.ResumeTiming();
    }
  }
}
BENCHMARK(append_and_tail);

// `domains` * 60 nodes.
void fill(World& world, std::int64_t domains) {
  Seq seq = 0;
  const auto create = [&](const std::string& path, const std::string& value, DomId owner) {
    Change change;
    change.kind = ChangeKind::kCreate;
    change.path = path;
    change.value = value;
    change.perms = world.perms_of(owner);
    if (!world.tree.apply(change, ++seq)) throw std::runtime_error("create " + path);
  };
  create("/local", "", 0);
  create("/local/domain", "", 0);
  for (std::int64_t d = 0; d < domains; ++d) {
    const std::string home = "/local/domain/" + std::to_string(d);
    const auto owner = static_cast<DomId>(d % 30000);
    create(home, "", owner);
    for (int device = 0; device < 5; ++device) {
      const std::string path = home + "/device" + std::to_string(device);
      create(path, "", owner);
      for (int leaf = 0; leaf < 11; ++leaf) {
        create(path + "/key-" + std::to_string(leaf), "value " + std::to_string(leaf * d), owner);
      }
    }
  }
}

CheckpointMeta meta_of(Seq seq) {
  return {.seq = seq,
          .time_us = 0,
          .boot_id = "bench",
          .starts = 1,
          .last_connection = 1,
          .clean_shutdown = false};
}

void checkpoint_write(benchmark::State& state) {
  const Directory directory;
  const auto env = make_posix_env();
  World world;
  fill(world, state.range(0) / 61);
  Seq seq = 0;
  for (auto _ : state) {
    if (!write_checkpoint(*env, directory.path(), meta_of(++seq), world.tree)) {
      state.SkipWithError("write failed");
    }
  }
  state.counters["nodes"] = static_cast<double>(world.tree.node_count());
}
BENCHMARK(checkpoint_write)->Arg(60'000)->Arg(600'000)->Unit(benchmark::kMillisecond);

void checkpoint_load(benchmark::State& state) {
  const Directory directory;
  const auto env = make_posix_env();
  World world;
  fill(world, state.range(0) / 61);
  if (!write_checkpoint(*env, directory.path(), meta_of(1), world.tree)) {
    state.SkipWithError("write failed");
    return;
  }
  const std::string path = directory.path() + "/checkpoint-00000000000000000001";
  for (auto _ : state) {
    auto loaded = std::make_unique<World>();
    if (!load_checkpoint(*env, path, loaded->perms, loaded->tree)) {
      state.SkipWithError("load failed");
    }
    state.PauseTiming();
    loaded.reset();
    state.ResumeTiming();
  }
  state.counters["bytes"] = static_cast<double>(std::filesystem::file_size(path));
}
BENCHMARK(checkpoint_load)->Arg(60'000)->Arg(600'000)->Unit(benchmark::kMillisecond);

void replay(benchmark::State& state) {
  const Directory directory;
  const auto env = make_posix_env();
  const auto options = options_for(directory, Durability::kProcess);
  {
    World world;
    const auto journal = open_or_throw(*env, options, world);
    std::vector<Change> changes(3);
    const std::vector<std::string> paths = {"/local", "/local/domain", "/local/domain/5"};
    for (std::size_t i = 0; i < 3; ++i) {
      changes[i].kind = ChangeKind::kCreate;
      changes[i].path = paths[i];
      changes[i].perms = world.perms_of(5);
    }
    changes.push_back(changes[0]);
    changes[3].path = "/local/domain/5/name";
    bool good = journal->append(CommitRecord{.seq = 1, .changes = changes}).has_value();
    const OneWrite write;
    for (Seq seq = 2; seq <= 100'000; ++seq) {
      good = good && journal->append(write.record(seq)).has_value();
      if (journal->wants_preparation()) journal->prepare();
    }
    if (!good) {
      state.SkipWithError("append failed");
      return;
    }
  }
  for (auto _ : state) {
    World world;
    const auto journal = open_or_throw(*env, options, world);
    if (journal->last_seq() != 100'000) state.SkipWithError("records are missing");
  }
  state.SetItemsProcessed(state.iterations() * 100'000);
}
BENCHMARK(replay)->Unit(benchmark::kMillisecond);

}  // namespace
