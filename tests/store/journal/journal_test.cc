// What every policy must do, and what each promises.
#include "store/journal/journal.hh"

#include <gtest/gtest.h>

#include <cerrno>
#include <thread>

#include "store/journal/format.hh"
#include "tests/store/fault_env.hh"
#include "tests/store/journal/workload.hh"

namespace vxs::store::test {
namespace {

struct Mode {
  const char* name;
  Durability durability;
  bool memory_file_system;
};

class JournalModes : public ::testing::TestWithParam<Mode> {
 protected:
  JournalModes() { env.set_memory_file_system(GetParam().memory_file_system); }

  [[nodiscard]] JournalOptions options() const { return small_options(GetParam().durability); }
  [[nodiscard]] bool survives_kill() const { return GetParam().durability != Durability::kMemory; }
  void kill(Workload& w) {
    env.freeze();
    w.drop();
    env.thaw();
  }
  [[nodiscard]] std::size_t segments() const {
    std::size_t count = 0;
    for (const auto& name : env.names()) count += name.find("segment-") != std::string::npos;
    return count;
  }
  static std::string file(const std::string& name) { return kDirectory + ("/" + name); }

  FaultEnv env{1};
};

const Mode kMemory{"Memory", Durability::kMemory, true};
const Mode kProcessMapped{"ProcessMapped", Durability::kProcess, true};
const Mode kProcessWritten{"ProcessWritten", Durability::kProcess, false};
const Mode kDisk{"Disk", Durability::kDisk, false};

std::string name_of(const ::testing::TestParamInfo<Mode>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Policies, JournalModes,
                         ::testing::Values(kMemory, kProcessMapped, kProcessWritten, kDisk),
                         name_of);

// Those that a kill leaves something of.
class LastingJournals : public JournalModes {};
INSTANTIATE_TEST_SUITE_P(Policies, LastingJournals,
                         ::testing::Values(kProcessMapped, kProcessWritten, kDisk), name_of);

// Those whose user prepares segments; a disk's sync thread does it by itself.
class PreparedJournals : public JournalModes {};
INSTANTIATE_TEST_SUITE_P(Policies, PreparedJournals,
                         ::testing::Values(kMemory, kProcessMapped, kProcessWritten), name_of);

TEST_P(JournalModes, AFreshDirectoryBeginsEmptyAtSeqOne) {
  Workload w(env, options(), 1);
  ASSERT_TRUE(w.open()) << w.error.message;
  EXPECT_TRUE(w.report.fresh);
  EXPECT_FALSE(w.report.other_boot);
  EXPECT_EQ(w.report.starts, 0U);
  EXPECT_EQ(w.journal->last_seq(), 0U);
  EXPECT_FALSE(w.journal->failing());
  EXPECT_EQ(w.journal->immediate(), GetParam().memory_file_system);
}

TEST_P(JournalModes, WhatWasSafeIsThereAfterAKillAcrossManySegments) {
  Workload w(env, options(), 2);
  ASSERT_TRUE(w.open());
  for (int i = 0; i < 1500; ++i) {
    ASSERT_TRUE(w.commit());
    if (i % 7 == 0) {
      ASSERT_TRUE(w.wait_safe());
    }
  }
  ASSERT_TRUE(w.wait_safe());
  const Seq safe = w.promised;
  EXPECT_EQ(safe, 1500U);
  EXPECT_GT(w.journal->bytes(), 5 * w.options.segment_bytes);
  kill(w);
  ASSERT_TRUE(w.open()) << w.error.message;
  if (!survives_kill()) {
    EXPECT_TRUE(w.report.fresh);
    return;
  }
  EXPECT_EQ(w.journal->last_seq(), safe);
  EXPECT_EQ(w.report.records_replayed, safe);
  EXPECT_EQ(w.report.last_seq, safe);
  EXPECT_EQ(w.report.starts, 1U);
  EXPECT_GT(w.report.last_connection, 0U);
  EXPECT_EQ(w.report.bytes_cut, 0U);
  EXPECT_EQ(w.world->tree.state_hash(), w.hashes[safe]);
  EXPECT_EQ(w.seen.size(), safe);
}

TEST_P(JournalModes, ImmediateMeansSafeOnReturnAndOtherwiseOnlyAfterFlush) {
  Workload w(env, options(), 3);
  ASSERT_TRUE(w.open());
  ASSERT_TRUE(w.commit());
  if (w.journal->immediate()) {
    EXPECT_EQ(w.journal->safe_seq(), 1U);
  } else {
    EXPECT_EQ(w.journal->safe_seq(), 0U);
    EXPECT_EQ(w.journal->last_seq(), 1U);
    ASSERT_TRUE(w.wait_safe());
    EXPECT_EQ(w.journal->safe_seq(), 1U);
  }
}

TEST_P(JournalModes, ARecordOutOfOrderOrUnreadableIsRefusedAndHarmsNothing) {
  Workload w(env, options(), 4);
  ASSERT_TRUE(w.open());
  const auto wrong = w.journal->append(CommitRecord{.seq = 2});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, EINVAL);
  Change change;
  change.kind = ChangeKind::kCreate;
  change.path = "/x";  // no permissions
  EXPECT_EQ(w.journal->append(CommitRecord{.seq = 1, .changes = {&change, 1}}).error().code,
            EINVAL);
  EXPECT_FALSE(w.journal->failing());
  EXPECT_TRUE(w.commit());
}

TEST_P(JournalModes, AFullBudgetIsEnospcUntilACheckpointAndHistoryFreeSegments) {
  Workload w(env, options(), 5);
  w.options.budget_bytes = 4 * w.options.segment_bytes;
  ASSERT_TRUE(w.open());
  while (w.commit(3, 200)) ASSERT_TRUE(w.wait_safe());
  EXPECT_TRUE(w.journal->failing());
  EXPECT_FALSE(w.journal->probe());
  const Seq full = w.journal->last_seq();
  EXPECT_EQ(w.journal->append(CommitRecord{.seq = full + 1}).error().code, ENOSPC);
  EXPECT_LE(w.journal->bytes(), w.options.budget_bytes);
  EXPECT_EQ(w.world->tree.state_hash(), w.hashes[full]);

  ASSERT_TRUE(w.checkpoint());
  EXPECT_FALSE(w.journal->probe()) << "history still needs the segments";
  w.journal->history_done(full);
  EXPECT_TRUE(w.journal->probe());
  EXPECT_LT(w.journal->bytes(), w.options.budget_bytes);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(w.commit());
  ASSERT_TRUE(w.wait_safe());
  const Seq last = w.journal->last_seq();
  kill(w);
  ASSERT_TRUE(w.open()) << w.error.message;
  const Seq expected = survives_kill() ? last : full;  // the checkpoint survives any policy
  EXPECT_EQ(w.journal->last_seq(), expected);
  EXPECT_EQ(w.report.checkpoint_seq, full);
  EXPECT_EQ(w.world->tree.state_hash(), w.hashes[expected]);
}

TEST_P(JournalModes, ARecordLargerThanASegmentGetsOneOfItsSize) {
  Workload w(env, options(), 6);
  ASSERT_TRUE(w.open());
  ASSERT_TRUE(w.commit());
  const std::string value(3 * w.options.segment_bytes, 'v');
  Change change;
  change.path = "/";
  change.value = value;
  const CommitRecord commit{.seq = 2, .kind = CommitKind::kSingle, .changes = {&change, 1}};
  // The tree has its own limit of a value's size: only the log is looked at here.
  ASSERT_TRUE(w.journal->append(commit).has_value());
  ASSERT_TRUE(w.wait_safe());
  EXPECT_GE(w.journal->bytes(), 3 * w.options.segment_bytes);
  ASSERT_TRUE(w.commit());
}

TEST_P(JournalModes, ARecordLargerThanTheBudgetIsRefusedWithoutFailing) {
  Workload w(env, options(), 7);
  ASSERT_TRUE(w.open());
  const std::string value(w.options.budget_bytes, 'v');
  Change change;
  change.path = "/";
  change.value = value;
  const auto refused = w.journal->append(
      CommitRecord{.seq = 1, .kind = CommitKind::kSingle, .changes = {&change, 1}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ENOSPC);
  EXPECT_FALSE(w.journal->failing());
  EXPECT_TRUE(w.commit());
}

TEST_P(JournalModes, RestartsCountAndDoNotEatTheBudget) {
  Workload w(env, options(), 8);
  w.options.budget_bytes = 16 * w.options.segment_bytes;
  for (std::uint64_t start = 0; start < 40; ++start) {
    ASSERT_TRUE(w.open()) << w.error.message;
    ASSERT_FALSE(w.journal->failing()) << start;
    if (survives_kill()) {
      EXPECT_EQ(w.report.starts, start);
    }
    ASSERT_TRUE(w.commit());
    ASSERT_TRUE(w.wait_safe());
    kill(w);
  }
  ASSERT_TRUE(w.open());
  if (survives_kill()) {
    EXPECT_EQ(w.journal->last_seq(), 40U);
  }
}

TEST_P(LastingJournals, StateOfAnotherBootIsKeptOrLeftToHistory) {
  Workload w(env, options(), 9);
  ASSERT_TRUE(w.open());
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(w.commit());
  ASSERT_TRUE(w.checkpoint());
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(w.commit());
  ASSERT_TRUE(w.wait_safe());
  kill(w);

  w.options.boot_id = kOtherBoot;
  ASSERT_TRUE(w.open());
  EXPECT_TRUE(w.report.other_boot);
  EXPECT_EQ(w.world->tree.state_hash(), w.hashes[60]);
  kill(w);

  // The segment begun just now is of this boot: nothing of another is left to judge but history.
  w.options.boot_id = kBoot;
  w.options.keep_after_reboot = false;
  ASSERT_TRUE(w.open());
  EXPECT_TRUE(w.report.other_boot);
  EXPECT_FALSE(w.report.fresh);
  EXPECT_EQ(w.report.records_replayed, 0U);
  EXPECT_EQ(w.journal->last_seq(), 60U) << "numbers are never used twice";
  EXPECT_EQ(w.world->tree.state_hash(), w.hashes[0]);
  EXPECT_EQ(w.report.starts, 2U);
  EXPECT_GT(w.report.last_connection, 0U);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(w.commit());
  ASSERT_TRUE(w.wait_safe());
  kill(w);

  // The new life goes on, without the old one.
  ASSERT_TRUE(w.open()) << w.error.message;
  EXPECT_FALSE(w.report.other_boot);
  EXPECT_EQ(w.report.records_replayed, 10U);
  EXPECT_EQ(w.journal->last_seq(), 70U);
  EXPECT_EQ(w.world->tree.state_hash(), w.hashes[70]);
}

TEST_P(JournalModes, ACheckpointFromElsewhereIsAStart) {
  const World world;
  const CheckpointMeta meta{.seq = Seq{1} << 32,
                            .time_us = 1,
                            .boot_id = kBoot,
                            .starts = 4,
                            .last_connection = 9,
                            .clean_shutdown = true};
  ASSERT_TRUE(write_checkpoint(env, kDirectory, meta, world.tree).has_value());
  Workload w(env, options(), 10);
  ASSERT_TRUE(w.open()) << w.error.message;
  EXPECT_FALSE(w.report.fresh);
  EXPECT_EQ(w.journal->last_seq(), Seq{1} << 32);
  EXPECT_EQ(w.report.starts, 4U);
  EXPECT_EQ(w.report.last_connection, 9U);
  ASSERT_TRUE(w.commit());
  ASSERT_TRUE(w.wait_safe());
  EXPECT_EQ(w.journal->safe_seq(), (Seq{1} << 32) + 1);
}

TEST_P(PreparedJournals, TheNextSegmentIsPreparedAheadSoThatAnAppendMakesNoFile) {
  Workload w(env, options(), 11);
  ASSERT_TRUE(w.open());
  while (!w.journal->wants_preparation()) {
    ASSERT_TRUE(w.commit());
    ASSERT_TRUE(w.wait_safe());
  }
  const std::uint64_t before = w.journal->bytes();
  w.journal->prepare();
  if (w.journal->immediate()) {  // a thread makes it; it is taken by the call after
    while (!w.journal->wants_preparation()) std::this_thread::yield();
    w.journal->prepare();
  }
  EXPECT_FALSE(w.journal->wants_preparation());
  EXPECT_EQ(w.journal->bytes(), before + w.options.segment_bytes);
  env.fail(kCreate | kMap | kPreallocate, 1, EIO, true);
  while (!w.journal->wants_preparation()) {  // again: so the prepared one was entered
    ASSERT_TRUE(w.commit());
    ASSERT_TRUE(w.wait_safe());
  }
  EXPECT_FALSE(env.fault_struck());
}

TEST_P(JournalModes, BytesSinceCheckpointGrowAndFallBack) {
  Workload w(env, options(), 12);
  ASSERT_TRUE(w.open());
  EXPECT_EQ(w.journal->bytes_since_checkpoint(), 0U);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(w.commit());
  EXPECT_GT(w.journal->bytes_since_checkpoint(), 1000U);
  ASSERT_TRUE(w.checkpoint());
  EXPECT_EQ(w.journal->bytes_since_checkpoint(), 0U);
}

TEST_P(LastingJournals, SegmentsGoOnlyWhenCheckpointAndHistoryHaveThem) {
  Workload w(env, options(), 13);
  ASSERT_TRUE(w.open());
  for (int i = 0; i < 600; ++i) {
    ASSERT_TRUE(w.commit());
    if (i % 10 == 0) {
      ASSERT_TRUE(w.wait_safe());
    }
  }
  const std::size_t before = segments();
  ASSERT_GT(before, 3U);
  w.journal->history_done(600);
  EXPECT_EQ(segments(), before);
  ASSERT_TRUE(w.checkpoint());
  EXPECT_EQ(segments(), before) << "should that one be damaged, they are needed";
  ASSERT_TRUE(w.commit());
  ASSERT_TRUE(w.checkpoint());
  EXPECT_LE(segments(), 2U) << "the open one, and perhaps one prepared";
  w.journal->checkpoint_done(1);  // an old answer changes nothing
  EXPECT_LE(segments(), 2U);
}

TEST_P(LastingJournals, ADamagedNewestCheckpointLosesNothing) {
  Workload w(env, options(), 14);
  ASSERT_TRUE(w.open());
  const auto commit = [&w](int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(w.commit());
      if (i % 10 == 9) {
        ASSERT_TRUE(w.wait_safe());
      }
    }
  };
  const auto damage_and_reopen = [&](Seq newest, Seq before, Seq last) {
    kill(w);
    env.damage(file(checkpoint_name(newest)), 300);
    ASSERT_TRUE(w.open()) << w.error.message;
    EXPECT_EQ(w.report.checkpoint_seq, before);
    EXPECT_EQ(w.journal->last_seq(), last);
    EXPECT_EQ(w.world->tree.state_hash(), w.hashes[last]);
    EXPECT_FALSE(env.exists(file(checkpoint_name(newest)))) << "it would pass for a good one";
  };
  commit(400);
  ASSERT_TRUE(w.checkpoint());
  w.journal->history_done(400);
  ASSERT_NO_FATAL_FAILURE(damage_and_reopen(400, 0, 400));  // from the beginning

  for (const Seq seq : {800U, 1200U, 1600U}) {
    commit(400);
    ASSERT_TRUE(w.checkpoint());
    w.journal->history_done(seq);
  }
  EXPECT_FALSE(env.exists(file(segment_name(1)))) << "they are not kept for ever";
  commit(50);
  ASSERT_NO_FATAL_FAILURE(damage_and_reopen(1600, 1200, 1650));

  // What recovery found is what the next ones rely on.
  ASSERT_TRUE(w.checkpoint());
  w.journal->history_done(1650);
  commit(50);
  ASSERT_NO_FATAL_FAILURE(damage_and_reopen(1650, 1200, 1700));
}

TEST_P(LastingJournals, HalfAFullBudgetLetsSegmentsGoWithTheNewestCheckpoint) {
  Workload w(env, options(), 15);
  w.options.budget_bytes = 8 * w.options.segment_bytes;
  ASSERT_TRUE(w.open());
  const auto fill_to = [&w](std::uint64_t count) {
    while (w.journal->bytes() < count * w.options.segment_bytes) {
      ASSERT_TRUE(w.commit());
      ASSERT_TRUE(w.wait_safe());
    }
  };
  fill_to(3);
  ASSERT_TRUE(w.checkpoint());
  const Seq covered = w.journal->last_seq();
  w.journal->history_done(covered);
  EXPECT_TRUE(env.exists(file(segment_name(1))));
  fill_to(4);
  ASSERT_TRUE(w.commit());
  EXPECT_FALSE(env.exists(file(segment_name(1))));
  // All of the budget is there for what no checkpoint has.
  while (w.commit(3, 200)) ASSERT_TRUE(w.wait_safe());
  EXPECT_GT(w.journal->bytes(), 7 * w.options.segment_bytes);
  const Seq last = w.journal->last_seq();
  EXPECT_GT(last, covered);
  kill(w);
  ASSERT_TRUE(w.open()) << w.error.message;
  EXPECT_EQ(w.journal->last_seq(), last);
}

}  // namespace
}  // namespace vxs::store::test
