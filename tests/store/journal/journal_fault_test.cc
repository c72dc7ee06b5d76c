// ENOSPC, EIO and EROFS at every system call in turn: nothing acknowledged is lost, reads
// go on, and writing resumes once the disk does.
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <set>
#include <thread>

#include "tests/store/fault_env.hh"
#include "tests/store/journal/workload.hh"

namespace vxs::store::test {
namespace {

struct Mode {
  const char* name;
  Durability durability;
  bool memory_file_system;
};

class JournalFaults : public ::testing::TestWithParam<Mode> {
 protected:
  // Drives a journal, in small batches, until `records` were appended or it gave up for a while.
  static void drive(Workload& w, int records) {
    for (int i = 0; i < records; ++i) {
      (void)w.handle_failure();
      if (w.journal->wants_preparation()) w.journal->prepare();
      if (!w.commit()) {
        EXPECT_TRUE(w.journal->failing());
        (void)w.handle_failure();
        if (!w.journal->probe()) continue;
      }
      if (i % 4 == 0) (void)w.wait_safe();
    }
    (void)w.wait_safe();
  }
  // The journal works again, at once.
  static void expect_resumed(Workload& w) {
    (void)w.handle_failure();
    for (int i = 0; w.journal->failing() && i < 20; ++i) (void)w.journal->probe();
    ASSERT_FALSE(w.journal->failing());
    ASSERT_TRUE(w.commit());
    ASSERT_TRUE(w.wait_safe());
  }
  static void expect_recovered(FaultEnv& env, Workload& w, const std::string& what) {
    const Seq promised = w.promised;
    const Seq last = w.journal->last_seq();
    env.freeze();
    w.drop();
    env.thaw();
    ASSERT_TRUE(w.open()) << what << ": " << w.error.message;
    EXPECT_GE(w.journal->last_seq(), promised) << what;
    EXPECT_LE(w.journal->last_seq(), last) << what;
    EXPECT_EQ(w.world->tree.state_hash(), w.hashes[w.journal->last_seq()]) << what;
    EXPECT_TRUE(w.system_is_as_recorded());
  }
};

const Mode kProcessMapped{"ProcessMapped", Durability::kProcess, true};
const Mode kProcessWritten{"ProcessWritten", Durability::kProcess, false};
const Mode kDisk{"Disk", Durability::kDisk, false};

std::string name_of(const ::testing::TestParamInfo<Mode>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Policies, JournalFaults,
                         ::testing::Values(kProcessMapped, kProcessWritten, kDisk), name_of);

// Those that may have to go back: mapped memory is safe at once.
class RolledBackJournals : public JournalFaults {};
INSTANTIATE_TEST_SUITE_P(Policies, RolledBackJournals, ::testing::Values(kProcessWritten, kDisk),
                         name_of);

// Instrumented builds look at what a failure leads to, the plain one at each.
#if defined(VXS_ASAN) || defined(VXS_TSAN)
constexpr std::uint64_t kEvery = 3;
#else
constexpr std::uint64_t kEvery = 1;
#endif

TEST_P(JournalFaults, OneFailureAtEveryCallLosesNothingThatWasPromised) {
  for (const int code : {ENOSPC, EIO, EROFS}) {
    for (std::uint64_t nth = 1; nth < 400; nth += kEvery) {
      FaultEnv env(nth);
      env.set_memory_file_system(GetParam().memory_file_system);
      Workload w(env, small_options(GetParam().durability), nth);
      ASSERT_TRUE(w.open());
      env.fail(kAnyChange, nth, code, false);
      drive(w, 250);
      const std::string what = "call " + std::to_string(nth) + ", errno " + std::to_string(code);
      expect_resumed(w);
      expect_recovered(env, w, what);
      if (HasFatalFailure()) return;
      if (!env.fault_struck()) break;
    }
  }
}

TEST_P(JournalFaults, ADiskThatStaysSickIsAnErrorAndHealsWithoutARestart) {
  for (const int code : {ENOSPC, EIO, EROFS}) {
    for (std::uint64_t nth = 1; nth < 120; nth += 3) {
      FaultEnv env(nth);
      env.set_memory_file_system(GetParam().memory_file_system);
      Workload w(env, small_options(GetParam().durability), nth + 1000);
      ASSERT_TRUE(w.open());
      env.fail(kAnyChange, nth, code, true);
      drive(w, 250);
      const bool struck = env.fault_struck();
      if (struck && w.journal->failing()) {
        const auto refused = w.journal->append(CommitRecord{.seq = w.journal->last_seq() + 1});
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, code);
        EXPECT_EQ(w.journal->last_seq(), w.journal->safe_seq());
        // The tree in memory is the safe one: reads go on from there.
        EXPECT_EQ(w.world->tree.state_hash(), w.hashes[w.journal->safe_seq()]);
      }
      env.clear_faults();
      const std::string what =
          "from call " + std::to_string(nth) + ", errno " + std::to_string(code);
      expect_resumed(w);
      expect_recovered(env, w, what);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(JournalFaults, AFullDiskIsAnErrorAndSpaceReturningIsNoticedByTheNextProbe) {
  FaultEnv env;
  env.set_memory_file_system(GetParam().memory_file_system);
  Workload w(env, small_options(GetParam().durability), 3);
  env.set_capacity(5 * w.options.segment_bytes);
  ASSERT_TRUE(w.open());
  for (int i = 0; i < 5000 && !w.journal->failing(); ++i) {
    (void)w.commit();
    if (i % 4 == 0) (void)w.wait_safe();
  }
  ASSERT_TRUE(w.journal->failing());
  EXPECT_FALSE(w.journal->probe());
  (void)w.handle_failure();
  EXPECT_EQ(w.journal->append(CommitRecord{.seq = w.journal->last_seq() + 1}).error().code, ENOSPC);
  env.set_capacity(0);
  for (int i = 0; i < 20 && !w.journal->probe(); ++i) continue;
  ASSERT_FALSE(w.journal->failing());
  ASSERT_TRUE(w.commit());
  expect_recovered(env, w, "full disk");
}

// What was answered with an error must not come back, not even after a crash.
// The next segment's opening reached the disk although its write failed, and the file cannot be
// removed: it says that what follows in the segment before it is abandoned.
TEST_P(JournalFaults, AnOpeningThatLandedAlthoughItsWriteFailedHidesNoLaterRecord) {
  for (std::uint64_t nth = 1; nth < 40; ++nth) {
    FaultEnv env(nth);
    env.set_memory_file_system(GetParam().memory_file_system);
    Workload w(env, small_options(GetParam().durability), nth + 500);
    ASSERT_TRUE(w.open());
    drive(w, 30);
    env.fail(kWrite, nth, EIO, false, true);
    env.fail(kRemove, 1, EIO, true);
    // Large ones that need a segment of their own, and small ones that the one before still holds.
    for (int i = 0; i < 12; ++i) {
      (void)w.commit(1, i % 3 == 0 ? 16000 : 20);
      (void)w.wait_safe();
      (void)w.handle_failure();
      if (w.journal->failing()) (void)w.journal->probe();
    }
    expect_resumed(w);
    expect_recovered(env, w, "write " + std::to_string(nth));
    if (HasFatalFailure()) return;
  }
}

// What append() waits for is room, while what was queued before it fails to be written: it must
// hear of that, and not go on above a hole.
TEST_P(JournalFaults, ARecordThatWaitsForRoomIsNotTakenWhenTheQueueBeforeItFailed) {
  for (std::uint64_t seed = 1; seed <= 300; seed += kEvery) {
    FaultEnv env(seed);
    env.set_memory_file_system(GetParam().memory_file_system);
    Workload w(env, small_options(GetParam().durability), seed);
    ASSERT_TRUE(w.open());
    // Both tries of the first batch fail; the disk works for what comes after.
    env.fail(kWrite, 1, EIO, false);
    env.fail(kWrite, 2, EIO, false);
    for (int i = 0; i < 200; ++i) {
      if (!w.commit(6, 200)) break;
    }
    (void)w.flush();
    for (int i = 0; i < 20000 && w.journal->safe_seq() != w.journal->last_seq(); ++i) {
      (void)w.handle_failure();
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    ASSERT_EQ(w.journal->safe_seq(), w.journal->last_seq()) << "seed " << seed;
    expect_resumed(w);
    expect_recovered(env, w, "seed " + std::to_string(seed));
    if (HasFatalFailure()) return;
  }
}

TEST_P(RolledBackJournals, ARolledBackRecordDoesNotReturn) {
  for (std::uint64_t seed = 1; seed < 60; ++seed) {
    FaultEnv env(seed);
    Workload w(env, small_options(GetParam().durability), seed);
    ASSERT_TRUE(w.open());
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(w.commit());
    ASSERT_TRUE(w.wait_safe());
    // The write or its sync fails, and no other segment can be made.
    env.fail(GetParam().durability == Durability::kDisk && seed % 2 == 0 ? kSync : kWrite, 1, EIO,
             false);
    env.fail(kCreate, 1, EIO, true);
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(w.commit());
    ASSERT_FALSE(w.wait_safe());
    EXPECT_EQ(w.journal->last_seq(), 20U);
    EXPECT_TRUE(w.journal->failing());
    EXPECT_EQ(w.world->tree.state_hash(), w.hashes[20]);
    env.clear_faults();
    env.freeze();
    w.drop();
    env.thaw();
    if (seed % 3 == 0) {
      env.power_cut();
      w.options.boot_id = kOtherBoot;
    }
    ASSERT_TRUE(w.open()) << w.error.message;
    const bool kept = GetParam().durability == Durability::kDisk || seed % 3 != 0;
    if (kept) {
      EXPECT_EQ(w.journal->last_seq(), 20U) << seed;
    }
    EXPECT_EQ(w.world->tree.state_hash(), w.hashes[w.journal->last_seq()]);
    EXPECT_TRUE(w.system_is_as_recorded());
  }
}

// What was safe rose piece by piece where a pass crossed a segment's border, and a later piece's
// failure then went back into the middle of the pass, of which nobody had kept the state.
TEST_P(RolledBackJournals, Bug_SafeIsAlwaysTheEndOfAPass) {
  int rollbacks = 0;
  for (std::uint64_t seed = 1; seed <= 24; ++seed) {
    FaultEnv env(seed);
    Workload w(env, small_options(GetParam().durability), seed);
    ASSERT_TRUE(w.open());
    std::set<Seq> ends{0};
    for (int pass = 0; pass < 12; ++pass) {
      if (pass == 3) env.fail(kAnyChange, 1 + w.random() % 12, EIO, true);
      for (auto records = 1 + w.random() % 60; records > 0; --records) {
        if (!w.commit(3, 300)) break;
        ASSERT_TRUE(ends.contains(w.journal->safe_seq())) << "seed " << seed;
      }
      ends.insert(w.journal->last_seq());
      const Seq last = w.journal->last_seq();
      (void)w.wait_safe();
      if (w.journal->last_seq() < last) ++rollbacks;
      ASSERT_TRUE(ends.contains(w.journal->last_seq())) << "seed " << seed;
      ends.erase(ends.upper_bound(w.journal->last_seq()), ends.end());
      EXPECT_EQ(w.world->tree.state_hash(), w.hashes[w.journal->last_seq()]);
      if (w.journal->wants_preparation()) w.journal->prepare();
      if (pass == 6) env.clear_faults();
      if (w.journal->failing()) (void)w.journal->probe();
    }
    env.clear_faults();
    expect_resumed(w);
    expect_recovered(env, w, "seed " + std::to_string(seed));
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(rollbacks, 8);
}

// The daemon dies before another segment could be made: the part that was written must not return.
TEST_P(RolledBackJournals, Bug_APassThatFailedInItsSecondSegmentDoesNotReturn) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    FaultEnv env(seed);
    Workload w(env, small_options(GetParam().durability), seed);
    ASSERT_TRUE(w.open());
    const auto half = w.options.segment_bytes / 2;
    while (w.journal->bytes_since_checkpoint() < half + half / 4) ASSERT_TRUE(w.commit());
    ASSERT_TRUE(w.wait_safe());
    if (w.journal->wants_preparation()) w.journal->prepare();
    // Of policy disk's thread's own making: it is done with one pass before it writes the next, and
    // bytes() would say so as soon as it begins.
    ASSERT_TRUE(w.commit());
    ASSERT_TRUE(w.wait_safe());
    ASSERT_EQ(w.journal->bytes(), 2 * w.options.segment_bytes);
    const Seq safe = w.journal->last_seq();
    while (w.journal->bytes_since_checkpoint() < 5 * half / 2) ASSERT_TRUE(w.commit());
    // The first part, the second segment's opening, and the second part, which fails.
    env.fail(kWrite, 3, EIO, false);
    env.fail(kCreate, 1, EIO, true);
    ASSERT_FALSE(w.wait_safe());
    EXPECT_TRUE(env.fault_struck());
    EXPECT_EQ(w.journal->last_seq(), safe);
    env.clear_faults();
    env.freeze();
    w.drop();
    env.thaw();
    if (seed % 3 == 0 && GetParam().durability == Durability::kDisk) env.power_cut();
    ASSERT_TRUE(w.open()) << w.error.message;
    EXPECT_EQ(w.journal->last_seq(), safe) << seed;
    EXPECT_EQ(w.world->tree.state_hash(), w.hashes[safe]);
    EXPECT_TRUE(w.system_is_as_recorded());
  }
}

// An append() that met a failed write while it made room left a journal that refused everything for
// ever: flush() had nothing to write, so nobody heard of the records that were lost.
TEST_P(RolledBackJournals, Bug_AWriteThatFailsWithinAnAppendIsToldByFlush) {
  FaultEnv env;
  Workload w(env, small_options(GetParam().durability), 5);
  ASSERT_TRUE(w.open());
  while (w.journal->bytes_since_checkpoint() < w.options.segment_bytes * 3 / 4) {
    ASSERT_TRUE(w.commit());
    ASSERT_TRUE(w.wait_safe());
    if (w.journal->wants_preparation()) w.journal->prepare();
  }
  const Seq safe = w.journal->last_seq();
  env.fail(kWrite, 1, EIO, true);
  for (int i = 0; i < 10000 && w.commit(); ++i) continue;
  ASSERT_TRUE(env.fault_struck());
  ASSERT_GT(w.journal->last_seq(), safe);
  ASSERT_FALSE(GetParam().durability == Durability::kProcess && w.flush());
  (void)w.wait_safe();
  EXPECT_EQ(w.journal->last_seq(), safe);
  env.clear_faults();
  expect_resumed(w);
  expect_recovered(env, w, "within append()");
}

}  // namespace
}  // namespace vxs::store::test
