// Torn ends, damage, and what recovery may and may not guess.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "store/journal/open_from.hh"
#include "store/tree_hash.hh"
#include "tests/store/journal/recovery_fixture.hh"

namespace vxs::store::test {
namespace {

TEST_F(RecoveryTest, MappedDamageWithinThePublishedLengthIsRefusedAndNamed) {
  env.set_memory_file_system(true);
  Workload w(env, small_options(Durability::kProcess), 1);
  fill(w, 40);
  const std::string file = segments().front();
  const std::uint64_t at = find_seq(file, 21);
  ASSERT_NE(at, 0U);
  env.damage(file, at + 30);
  const std::string before = env.contents(file);
  ASSERT_FALSE(w.open());
  EXPECT_EQ(w.error.kind, JournalError::Kind::kDamaged);
  EXPECT_NE(w.error.message.find(file), std::string::npos) << w.error.message;
  EXPECT_NE(w.error.message.find("byte " + std::to_string(at)), std::string::npos);
  EXPECT_NE(w.error.message.find("Seq 20 "), std::string::npos) << w.error.message;
  EXPECT_NE(w.error.message.find("vxs fsck"), std::string::npos);
  EXPECT_EQ(env.contents(file), before);

  // The daemon that serves reads up to the damage.
  w.options.accept_damage = true;
  ASSERT_TRUE(w.open()) << w.error.message;
  EXPECT_EQ(w.journal->last_seq(), 20U);
  EXPECT_EQ(w.world->tree.state_hash(), w.hashes[20]);
  EXPECT_TRUE(w.journal->failing());
  EXPECT_FALSE(w.journal->probe());
  EXPECT_FALSE(w.report.damage.empty());
  const auto refused = w.journal->append(CommitRecord{.seq = 21});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, EIO);
  EXPECT_EQ(env.contents(file), before) << "nothing on disk is touched";
  w.journal->checkpoint_done(20);
  w.journal->history_done(20);
  EXPECT_EQ(env.contents(file), before);
}

TEST_F(RecoveryTest, EveryByteOfAMappedSegmentIsWatched) {
  env.set_memory_file_system(true);
  Workload w(env, small_options(Durability::kProcess), 2);
  fill(w, 12);
  const std::string file = segments().front();
  const std::string good = env.contents(file);
  const auto end = decode_published(good);
  for (std::uint64_t at = 0; at < end; ++at) {
    const bool watched =
        at < kIdentityBytes || (at >= kOpeningOffset && at < kOpeningOffset + kOpeningBytes) ||
        (at >= kPublishedOffset && at < kPublishedOffset + 8) || at >= kSegmentHeaderBytes;
    if (!watched) continue;
    env.put_file(file, good);
    env.damage(file, at);
    if (!w.open()) continue;
    // Padding, the reserved words, or an opening that the first record could stand in for.
    EXPECT_EQ(w.world->tree.state_hash(), w.hashes[w.journal->last_seq()]) << at;
    EXPECT_TRUE(w.system_is_as_recorded());
    EXPECT_EQ(w.journal->last_seq(), 12U) << at;
    for (const auto& name : segments()) {
      if (name != file) {
        ASSERT_TRUE(env.remove_file(name));
      }
    }
  }
}

TEST_F(RecoveryTest, ARecordOfAnEarlierBootThatDidNotSurviveIsCutUnderProcess) {
  for (const bool mapped : {true, false}) {
    env = FaultEnv(9);
    env.set_memory_file_system(mapped);
    Workload w(env, small_options(Durability::kProcess), 3);
    fill(w, 300);
    const auto files = segments();
    ASSERT_GT(files.size(), 2U);
    std::uint64_t at = 0;
    for (std::size_t i = 0; at == 0 && i < files.size(); ++i) {
      at = find_seq(files[i], 40);
      if (at != 0) env.damage(files[i], at + 2);
    }
    w.options.boot_id = kOtherBoot;
    ASSERT_TRUE(w.open()) << w.error.message;
    EXPECT_EQ(w.journal->last_seq(), 39U);
    EXPECT_GT(w.report.bytes_cut, 0U);
    EXPECT_FALSE(w.report.notes.empty());
    EXPECT_EQ(w.world->tree.state_hash(), w.hashes[39]);
    ASSERT_TRUE(w.commit());
    ASSERT_TRUE(w.wait_safe());
    kill(w);
    ASSERT_TRUE(w.open()) << w.error.message;
    EXPECT_EQ(w.journal->last_seq(), 40U);
    EXPECT_EQ(w.report.bytes_cut, 0U) << "it was cut once and for all";
    EXPECT_EQ(w.world->tree.state_hash(), w.hashes[40]);
  }
}

TEST_F(RecoveryTest, DiskDamageBelowDurableIsRefusedAndATornLastBatchIsCut) {
  Workload w(env, small_options(Durability::kDisk), 4);
  fill(w, 40);
  const std::string file = segments().front();
  const std::string good = env.contents(file);
  // In the middle: later batch headers say that it was safe.
  env.damage(file, find_seq(file, 12) + 25);
  ASSERT_FALSE(w.open());
  EXPECT_EQ(w.error.kind, JournalError::Kind::kDamaged);
  EXPECT_NE(w.error.message.find("Seq 11 "), std::string::npos) << w.error.message;
  // A batch header in the middle.
  env.put_file(file, good);
  env.damage(file, find_seq(file, 11) - 10);
  ASSERT_FALSE(w.open());
  // In the last batch: nothing says that it was safe, so it is a torn end.
  env.put_file(file, good);
  env.damage(file, find_seq(file, 38) + 25);
  ASSERT_TRUE(w.open()) << w.error.message;
  EXPECT_EQ(w.journal->last_seq(), 37U);
  EXPECT_EQ(w.world->tree.state_hash(), w.hashes[37]);
  EXPECT_GT(w.report.bytes_cut, 0U);
}

TEST_F(RecoveryTest, ProcessWrittenDamageInAWholeBatchOfThisBootIsRefused) {
  Workload w(env, small_options(Durability::kProcess), 5);
  fill(w, 40);
  const std::string file = segments().front();
  const std::string good = env.contents(file);
  const std::uint64_t at = find_seq(file, 38) + 10;
  env.damage(file, at + 15);
  ASSERT_FALSE(w.open());
  EXPECT_EQ(w.error.kind, JournalError::Kind::kDamaged);
  // A batch that the kill cut short: its prefix is there, then zeros.
  std::string torn = good;
  std::fill(torn.begin() + static_cast<std::ptrdiff_t>(at), torn.end(), '\0');
  env.put_file(file, torn);
  ASSERT_TRUE(w.open()) << w.error.message;
  EXPECT_EQ(w.journal->last_seq(), 37U);
  EXPECT_EQ(w.world->tree.state_hash(), w.hashes[37]);
}

TEST_F(RecoveryTest, AMissingSegmentInTheMiddleIsDamage) {
  for (const Durability durability : {Durability::kProcess, Durability::kDisk}) {
    env = FaultEnv(3);
    Workload w(env, small_options(durability), 6);
    fill(w, 400);
    const auto files = segments();
    ASSERT_GT(files.size(), 3U);
    ASSERT_TRUE(env.remove_file(files[1]));
    ASSERT_FALSE(w.open());
    EXPECT_EQ(w.error.kind, JournalError::Kind::kDamaged);
    EXPECT_NE(w.error.message.find(files[0]), std::string::npos) << w.error.message;
    EXPECT_NE(w.error.message.find("a later segment continues"), std::string::npos);
  }
}

TEST_F(RecoveryTest, ADamagedHeaderIsDamageUnlessACheckpointCoversTheSegment) {
  Workload w(env, small_options(Durability::kDisk), 7);
  fill(w, 400);
  const auto files = segments();
  ASSERT_GT(files.size(), 3U);
  const std::string good = env.contents(files[1]);
  env.damage(files[1], 20);
  ASSERT_FALSE(w.open());
  EXPECT_NE(w.error.message.find("header is damaged"), std::string::npos) << w.error.message;
  env.put_file(files[1], good);
  ASSERT_TRUE(w.open());
  ASSERT_TRUE(w.checkpoint());  // history holds the segments back
  kill(w);
  env.damage(files[1], 20);
  ASSERT_TRUE(w.open()) << w.error.message;
  EXPECT_EQ(w.world->tree.state_hash(), w.hashes[400]);
}

// The new program of a live update reads the checkpoint while the old one goes on.
TEST_F(RecoveryTest, ACheckpointThatWasReadBeforeIsUsedIfItIsTheNewest) {
  env.set_memory_file_system(true);
  Workload w(env, small_options(Durability::kProcess), 21);
  ASSERT_TRUE(w.open());
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(w.commit());
    if (i == 39) {
      ASSERT_TRUE(w.checkpoint());
    }
  }
  World world;
  auto early = load_newest_checkpoint(env, w.options.directory, world.perms, world.tree);
  ASSERT_TRUE(early);
  EXPECT_EQ(early->meta.seq, 40U);
  EXPECT_EQ(early->tree.state_hash(), w.hashes[40]);
  EXPECT_EQ(early->system, *w.systems.at(40));
  kill(w);
  // Of this one the file is not looked at any more.
  env.damage(w.options.directory + "/" + checkpoint_name(40), 200);
  RecoveryReport report;
  auto journal = open_journal_from(&*early, env, w.options, world.perms, world.tree, report, {});
  ASSERT_TRUE(journal) << journal.error().message;
  EXPECT_EQ(report.records_replayed, 20U);
  EXPECT_EQ(world.tree.state_hash(), w.hashes[60]);
  EXPECT_EQ(report.system, *w.systems.at(60));
  EXPECT_EQ(early->tree.state_hash(), w.hashes[40]) << "it stays";
  EXPECT_EQ(state_hash_from(world.tree, early->tree, w.hashes[40]), w.hashes[60]);
}

TEST_F(RecoveryTest, ACheckpointThatWasReadBeforeIsLeftForANewerOne) {
  env.set_memory_file_system(true);
  Workload w(env, small_options(Durability::kProcess), 22);
  ASSERT_TRUE(w.open());
  World world;
  std::optional<LoadedCheckpoint> early;
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(w.commit());
    if (i == 19 || i == 49) {
      ASSERT_TRUE(w.checkpoint());
    }
    if (i == 20) early = load_newest_checkpoint(env, w.options.directory, world.perms, world.tree);
  }
  ASSERT_TRUE(early);
  kill(w);
  RecoveryReport report;
  auto journal = open_journal_from(&*early, env, w.options, world.perms, world.tree, report, {});
  ASSERT_TRUE(journal) << journal.error().message;
  EXPECT_EQ(report.checkpoint_seq, 50U);
  EXPECT_EQ(world.tree.state_hash(), w.hashes[60]);
  EXPECT_EQ(report.system, *w.systems.at(60));
}

TEST_F(RecoveryTest, ADamagedCheckpointIsReplacedByAnOlderOneAndTheRecords) {
  env.set_memory_file_system(true);
  Workload w(env, small_options(Durability::kProcess), 8);
  ASSERT_TRUE(w.open());
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(w.commit());
    if (i == 9 || i == 29) {
      ASSERT_TRUE(w.checkpoint());
    }
  }
  kill(w);
  env.damage(std::string(kDirectory) + "/" + checkpoint_name(30), 300);
  ASSERT_TRUE(w.open()) << w.error.message;
  EXPECT_EQ(w.report.checkpoint_seq, 10U);
  EXPECT_EQ(w.journal->last_seq(), 40U);
  EXPECT_EQ(w.world->tree.state_hash(), w.hashes[40]);
  EXPECT_FALSE(w.report.notes.empty());
  ASSERT_TRUE(w.checkpoint());
  kill(w);
  env.damage(std::string(kDirectory) + "/" + checkpoint_name(40), 300);
  // Without records that reach as far it is damage.
  for (const auto& name : segments()) ASSERT_TRUE(env.remove_file(name));
  ASSERT_FALSE(w.open());
  EXPECT_EQ(w.error.kind, JournalError::Kind::kDamaged);
}

TEST_F(RecoveryTest, ARecordThatDoesNotFitIsDamageAndIsNotHalfApplied) {
  env.set_memory_file_system(true);
  Workload w(env, small_options(Durability::kProcess), 9);
  ASSERT_TRUE(w.open());
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(w.commit());
  // A record whose first change fits and whose second does not: no daemon writes it.
  Change changes[2];
  changes[0].path = "/";
  changes[0].value = "half";
  changes[1].kind = ChangeKind::kRemove;
  changes[1].path = "/nowhere";
  ASSERT_TRUE(
      w.journal->append(CommitRecord{.seq = 11, .kind = CommitKind::kSingle, .changes = changes}));
  kill(w);
  ASSERT_FALSE(w.open());
  EXPECT_NE(w.error.message.find("does not fit"), std::string::npos) << w.error.message;
  w.options.accept_damage = true;
  ASSERT_TRUE(w.open());
  EXPECT_EQ(w.journal->last_seq(), 10U);
  EXPECT_EQ(w.world->tree.state_hash(), w.hashes[10]);
  EXPECT_EQ(w.seen, (std::vector<Seq>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10})) << "each told once";
}

TEST_F(RecoveryTest, PreparedSegmentsAndTemporaryFilesAreClearedAway) {
  env.set_memory_file_system(true);
  Workload w(env, small_options(Durability::kProcess), 10);
  fill(w, 5);
  env.put_file(std::string(kDirectory) + "/" + segment_name(9), std::string(16384, '\0'));
  env.put_file(std::string(kDirectory) + "/" + segment_name(10), "");
  env.put_file(std::string(kDirectory) + "/" + checkpoint_name(4) + ".tmp", "half");
  env.put_file(std::string(kDirectory) + "/lost+found", "not ours");
  ASSERT_TRUE(w.open()) << w.error.message;
  EXPECT_EQ(w.journal->last_seq(), 5U);
  EXPECT_TRUE(w.report.half_checkpoint);
  const auto names = env.names();
  EXPECT_EQ(std::count(names.begin(), names.end(), std::string(kDirectory) + "/" + segment_name(9)),
            0);
  EXPECT_EQ(names.size(), 3U) << "old segment, new segment, the file that is not ours";
  ASSERT_TRUE(w.open()) << w.error.message;
  EXPECT_FALSE(w.report.half_checkpoint);
}

TEST_F(RecoveryTest, ANewerFormatIsLeftAlone) {
  env.set_memory_file_system(true);
  Workload w(env, small_options(Durability::kProcess), 11);
  fill(w, 5);
  const std::string file = segments().front();
  SegmentIdentity identity;
  ASSERT_EQ(decode_identity(env.contents(file), identity), HeaderState::kGood);
  // A record of a type this version does not know, first with the may-skip bit, then without.
  for (const bool skip : {true, false}) {
    std::string bytes = env.contents(file);
    const auto end = decode_published(bytes);
    std::string frame(frame_bytes(3), '\0');
    put_frame_header(frame.data(), skip ? 6 : 7, 60, skip ? kFrameMaySkip : 0, 3);
    seal_frame(frame.data(), identity.seed());
    bytes.resize(std::max<std::size_t>(bytes.size(), end + frame.size()));
    bytes.replace(end, frame.size(), frame);
    store_le<std::uint64_t>(bytes.data() + kPublishedOffset, end + frame.size());
    env.put_file(file, bytes);
    if (skip) {
      ASSERT_TRUE(w.open()) << w.error.message;
      EXPECT_EQ(w.journal->last_seq(), 6U);
      kill(w);
      for (const auto& name : segments()) {
        if (name != file) {
          ASSERT_TRUE(env.remove_file(name));
        }
      }
    } else {
      ASSERT_FALSE(w.open());
      EXPECT_EQ(w.error.kind, JournalError::Kind::kNewerVersion);
    }
  }
}

TEST_F(RecoveryTest, AFullOrReadOnlyDiskAtTheStartOpensFailingAndResumes) {
  for (const Durability durability : {Durability::kProcess, Durability::kDisk}) {
    for (const bool mapped : {true, false}) {
      for (const int code : {ENOSPC, EROFS}) {
        env = FaultEnv(4);
        env.set_memory_file_system(mapped);
        Workload w(env, small_options(durability), 12);
        fill(w, 25);
        env.fail(kAnyChange, 1, code, true);
        ASSERT_TRUE(w.open()) << w.error.message;
        EXPECT_TRUE(w.journal->failing());
        EXPECT_EQ(w.world->tree.state_hash(), w.hashes[25]);
        const auto refused = w.journal->append(CommitRecord{.seq = 26});
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, code);
        EXPECT_FALSE(w.journal->probe());
        env.clear_faults();
        EXPECT_TRUE(w.journal->probe());
        EXPECT_FALSE(w.journal->failing());
        ASSERT_TRUE(w.commit());
        ASSERT_TRUE(w.wait_safe());
        kill(w);
        ASSERT_TRUE(w.open()) << w.error.message;
        EXPECT_EQ(w.journal->last_seq(), 26U);
        EXPECT_EQ(w.world->tree.state_hash(), w.hashes[26]);
      }
    }
  }
}

TEST_F(RecoveryTest, AStateRecordThatDoesNotFitIsDamageAndTheStateBeforeItIsServed) {
  env.set_memory_file_system(true);
  Workload w(env, small_options(Durability::kProcess), 4);
  ASSERT_TRUE(w.open());
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(w.commit());
  ASSERT_TRUE(w.journal->append(StateRecord{31, 0, DomainGone{4000}}));  // nobody knows it
  kill(w);
  ASSERT_FALSE(w.open());
  EXPECT_EQ(w.error.kind, JournalError::Kind::kDamaged);
  w.options.accept_damage = true;
  ASSERT_TRUE(w.open()) << w.error.message;
  EXPECT_EQ(w.journal->last_seq(), 30U);
  EXPECT_TRUE(w.system_is_as_recorded());
}

// A checkpoint is due after so many starts: while history kept their segments each start wrote one.
TEST_F(RecoveryTest, Bug_SegmentsThatACheckpointCoversAreNotCounted) {
  Workload w(env, small_options(Durability::kDisk), 5);
  for (std::size_t starts = 0; starts < 4; ++starts) {
    fill(w, 3);
    EXPECT_EQ(w.report.segments, starts);
  }
  ASSERT_TRUE(w.open());
  EXPECT_EQ(w.report.segments, 4U);
  ASSERT_TRUE(w.checkpoint());
  kill(w);
  ASSERT_GE(segments().size(), 4U) << "history has none of it";
  ASSERT_TRUE(w.open());
  EXPECT_LE(w.report.segments, 1U);
}

TEST_F(RecoveryTest, AfterRebootEmptyDropsTheStateBesideTheTreeToo) {
  Workload w(env, small_options(Durability::kDisk), 5);
  fill(w, 40);
  ASSERT_TRUE(w.open());
  ASSERT_TRUE(w.checkpoint());
  ASSERT_NE(w.system, SystemState{});
  kill(w);
  env.power_cut();
  w.options.boot_id = kOtherBoot;
  ASSERT_TRUE(w.open()) << w.error.message;
  EXPECT_TRUE(w.system_is_as_recorded()) << "keep";
  kill(w);
  w.options.boot_id = kBoot;
  w.options.keep_after_reboot = false;
  ASSERT_TRUE(w.open()) << w.error.message;
  EXPECT_EQ(w.system, SystemState{});
  EXPECT_GT(w.report.last_connection, 0U) << "connection ids go on";
}

}  // namespace
}  // namespace vxs::store::test
