// Random histories of appends, flushes, checkpoints, faults and crashes. After each crash
// everything promised must be there, with the same state hash, and nothing half applied.
//
// VXS_CRASH_ROUNDS=n runs n histories per policy (default 60).
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>

#include "store/journal/tail.hh"
#include "tests/store/fault_env.hh"
#include "tests/store/journal/workload.hh"

namespace vxs::store::test {
namespace {

struct Mode {
  const char* name;
  Durability durability;
  bool memory_file_system;
  bool power_cuts;
};

std::uint64_t rounds() {
  const char* value = std::getenv("VXS_CRASH_ROUNDS");
  return value != nullptr ? std::strtoull(value, nullptr, 10) : 60;
}

class JournalCrashes : public ::testing::TestWithParam<Mode> {
 protected:
  // One life of the daemon. Returns with the journal alive, at a random moment.
  static void live(FaultEnv& env, Workload& w, bool faults) {
    const int steps = static_cast<int>(w.random() % 200);
    if (faults && w.random() % 2 == 0) {
      constexpr int kCodes[] = {ENOSPC, EIO, EROFS};
      env.fail(kAnyChange, 1 + w.random() % 60, kCodes[w.random() % 3], w.random() % 2 == 0);
    }
    for (int i = 0; i < steps; ++i) {
      (void)w.handle_failure();
      const auto dice = w.random() % 100;
      if (dice < 80) {
        (void)w.commit(1 + w.random() % 6, dice == 0 ? 3000 : 30);
      } else if (dice < 92) {
        (void)w.flush();
      } else if (dice < 94) {
        (void)w.wait_safe();
      } else if (dice < 96) {
        if (w.checkpoint() && w.random() % 2 == 0) w.journal->history_done(w.journal->safe_seq());
      } else if (dice < 98) {
        if (w.journal->wants_preparation()) w.journal->prepare();
      } else {
        env.clear_faults();
        (void)w.journal->probe();
      }
    }
    w.promised = std::max(w.promised, w.journal->safe_seq());
  }

  // A tail from the checkpoint on sees what recovery replayed.
  static void expect_tail_agrees(FaultEnv& env, Workload& w) {
    PermTable perms;
    const Seq from = w.report.checkpoint_seq + 1;
    const auto tail = open_tail(env, *w.journal, perms, from);
    Seq next = from;
    while (tail->next([&](const Record& r) { EXPECT_EQ(record_seq(r), next); }) ==
           JournalTail::Next::kRecord) {
      ++next;
    }
    EXPECT_EQ(next, w.journal->last_seq() + 1);
  }
};

INSTANTIATE_TEST_SUITE_P(
    Policies, JournalCrashes,
    ::testing::Values(Mode{"ProcessMappedKill", Durability::kProcess, true, false},
                      Mode{"ProcessWrittenKill", Durability::kProcess, false, false},
                      Mode{"ProcessWrittenPowerCut", Durability::kProcess, false, true},
                      Mode{"DiskKill", Durability::kDisk, false, false},
                      Mode{"DiskPowerCut", Durability::kDisk, false, true},
                      Mode{"MemoryKill", Durability::kMemory, true, false}),
    [](const auto& info) { return info.param.name; });

TEST_P(JournalCrashes, WhatWasPromisedIsThereAfterEveryCrash) {
  const Mode& mode = GetParam();
  for (std::uint64_t seed = 1; seed <= rounds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    FaultEnv env(seed);
    env.set_memory_file_system(mode.memory_file_system);
    Workload w(env, small_options(mode.durability), seed * 7919);
    ASSERT_TRUE(w.open());
    int boots = 0;
    for (int life = 0; life < 6; ++life) {
      SCOPED_TRACE("life " + std::to_string(life));
      live(env, w, seed % 2 == 0);
      // A journal that fails to the end could not even blank what it refused (docs/journal.md).
      const Seq last = w.journal->failing() ? w.hashes.rbegin()->first : w.journal->last_seq();
      env.freeze();
      w.drop();
      env.thaw();
      env.clear_faults();
      if (mode.power_cuts) {
        env.power_cut();
        w.options.boot_id = std::string(kBoot) + std::to_string(++boots);
      }
      ASSERT_TRUE(w.open()) << w.error.message;
      const Seq recovered = w.journal->last_seq();
      const bool promise_holds = mode.durability == Durability::kDisk ||
                                 (mode.durability == Durability::kProcess && !mode.power_cuts);
      if (promise_holds) {
        ASSERT_GE(recovered, w.promised);
      }
      ASSERT_LE(recovered, std::max(last, w.promised));
      ASSERT_EQ(w.world->tree.state_hash(), w.hashes[recovered]) << "Seq " << recovered;
      EXPECT_TRUE(w.system_is_as_recorded());
      ASSERT_EQ(w.report.last_seq, recovered);
      if (promise_holds) expect_tail_agrees(env, w);
      w.promised = recovered;
    }
  }
}

}  // namespace
}  // namespace vxs::store::test
