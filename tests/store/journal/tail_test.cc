#include "store/journal/tail.hh"

#include <gtest/gtest.h>

#include <atomic>
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

class TailModes : public ::testing::TestWithParam<Mode> {
 protected:
  TailModes() { env.set_memory_file_system(GetParam().memory_file_system); }
  FaultEnv env{1};
};

const Mode kMemory{"Memory", Durability::kMemory, true};
const Mode kProcessMapped{"ProcessMapped", Durability::kProcess, true};
const Mode kProcessWritten{"ProcessWritten", Durability::kProcess, false};
const Mode kDisk{"Disk", Durability::kDisk, false};

std::string name_of(const ::testing::TestParamInfo<Mode>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Policies, TailModes,
                         ::testing::Values(kMemory, kProcessMapped, kProcessWritten, kDisk),
                         name_of);

// Those that an earlier run leaves something of.
class LastingTails : public TailModes {};
INSTANTIATE_TEST_SUITE_P(Policies, LastingTails,
                         ::testing::Values(kProcessMapped, kProcessWritten, kDisk), name_of);

// Applies what a tail delivers to a tree of its own.
struct Follower {
  JournalTail::Next step(JournalTail& tail) {
    return tail.next([this](const Record& record) {
      last = record_seq(record);
      const auto* commit = std::get_if<CommitRecord>(&record);
      if (commit == nullptr) return;
      for (const Change& change : commit->changes) {
        EXPECT_TRUE(world.tree.apply(change, commit->seq));
      }
    });
  }
  World world;
  Seq last = 0;
};

TEST_P(TailModes, FollowsTheWriterFromAnotherThreadThroughAllSegments) {
  Workload w(env, small_options(GetParam().durability), 1);
  ASSERT_TRUE(w.open());
  std::atomic<Seq> goal{0};
  Follower follower;
  std::thread thread([&] {
    const auto tail = open_tail(env, *w.journal, follower.world.perms, 1);
    while (goal == 0 || follower.last < goal) {
      const Seq before = follower.last;
      const auto next = follower.step(*tail);
      if (next == JournalTail::Next::kLost) {
        ADD_FAILURE() << "lost after " << before;
        return;
      }
      if (next == JournalTail::Next::kEnd) {
        std::this_thread::yield();
        continue;
      }
      EXPECT_EQ(follower.last, before + 1);
      EXPECT_EQ(tail->position(), follower.last + 1);
    }
    EXPECT_EQ(follower.step(*tail), JournalTail::Next::kEnd);
  });
  for (int i = 0; i < 1500; ++i) {
    EXPECT_TRUE(w.commit());
    if (i % 5 == 0) {
      EXPECT_TRUE(w.flush());
    }
    if (i % 50 == 0) {
      EXPECT_TRUE(w.wait_safe());
    }
  }
  EXPECT_TRUE(w.wait_safe());
  goal = w.journal->last_seq();
  thread.join();
  EXPECT_EQ(follower.world.tree.state_hash(), w.hashes[1500]);
}

TEST_P(TailModes, DeliversNothingThatIsNotSafe) {
  Workload w(env, small_options(GetParam().durability), 2);
  ASSERT_TRUE(w.open());
  Follower follower;
  const auto tail = open_tail(env, *w.journal, follower.world.perms, 0);
  EXPECT_EQ(tail->position(), 1U);
  EXPECT_EQ(follower.step(*tail), JournalTail::Next::kEnd);
  ASSERT_TRUE(w.commit());
  if (!w.journal->immediate()) {
    EXPECT_EQ(follower.step(*tail), JournalTail::Next::kEnd);
  }
  ASSERT_TRUE(w.wait_safe());
  EXPECT_EQ(follower.step(*tail), JournalTail::Next::kRecord);
  EXPECT_EQ(follower.step(*tail), JournalTail::Next::kEnd);
}

// A batch's trailer, seen before the next batch was written behind it, was taken for a frame, and
// some of its checksum for the length: up to 256 MiB were allocated for it, and kept.
TEST_P(TailModes, Bug_TheEndOfABatchIsNoFrame) {
  Workload w(env, small_options(GetParam().durability), 3);
  ASSERT_TRUE(w.open());
  Follower follower;
  const auto tail = open_tail(env, *w.journal, follower.world.perms, 1);
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(w.commit());
    ASSERT_TRUE(w.wait_safe());
    while (follower.step(*tail) == JournalTail::Next::kRecord) {
    }
    ASSERT_EQ(follower.last, w.journal->last_seq());
  }
  EXPECT_LE(env.largest_read(), std::size_t{1} << 20);
}

TEST_P(LastingTails, ReadsWhatEarlierRunsLeft) {
  Workload w(env, small_options(GetParam().durability), 3);
  for (int run = 0; run < 4; ++run) {
    ASSERT_TRUE(w.open()) << w.error.message;
    for (int i = 0; i < 120; ++i) {
      ASSERT_TRUE(w.commit());
      if (i % 11 == 0) {
        ASSERT_TRUE(w.wait_safe());
      }
    }
    ASSERT_TRUE(w.wait_safe());
    env.freeze();
    w.drop();
    env.thaw();
  }
  ASSERT_TRUE(w.open());
  Follower follower;
  const auto tail = open_tail(env, *w.journal, follower.world.perms, 1);
  while (follower.step(*tail) == JournalTail::Next::kRecord) continue;
  EXPECT_EQ(follower.last, 480U);
  EXPECT_EQ(follower.world.tree.state_hash(), w.hashes[480]);
  // And from the middle.
  Seq first = 0;
  World world;
  const auto later = open_tail(env, *w.journal, world.perms, 250);
  ASSERT_EQ(later->next([&](const Record& record) { first = record_seq(record); }),
            JournalTail::Next::kRecord);
  EXPECT_EQ(first, 250U);
}

TEST_P(TailModes, SaysLostWhenItsSegmentIsGone) {
  Workload w(env, small_options(GetParam().durability), 4);
  ASSERT_TRUE(w.open());
  World world;
  const auto tail = open_tail(env, *w.journal, world.perms, 1);
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(w.commit());
  ASSERT_TRUE(w.checkpoint());
  ASSERT_TRUE(w.commit());
  ASSERT_TRUE(w.checkpoint());
  w.journal->history_done(401);
  EXPECT_EQ(tail->next([](const Record&) {}), JournalTail::Next::kLost);
  const auto fresh = open_tail(env, *w.journal, world.perms, 402);
  EXPECT_EQ(fresh->next([](const Record&) {}), JournalTail::Next::kEnd);
}

TEST_P(TailModes, OutlivesTheJournal) {
  Workload w(env, small_options(GetParam().durability), 5);
  ASSERT_TRUE(w.open());
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(w.commit());
  ASSERT_TRUE(w.wait_safe());
  Follower follower;
  const auto tail = open_tail(env, *w.journal, follower.world.perms, 1);
  w.drop();
  while (follower.step(*tail) == JournalTail::Next::kRecord) continue;
  EXPECT_EQ(follower.last, 10U);
}

}  // namespace
}  // namespace vxs::store::test
