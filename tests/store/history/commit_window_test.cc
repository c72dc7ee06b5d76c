// The newest commits of main by their Seq, beyond what the window holds and back in the repository.
#include "store/history/commit_window.hh"

#include <malloc.h>

#include <fstream>

#include "store/history/commit_message.hh"
#include "store/history/commit_object.hh"
#include "tests/store/history/history_fixture.hh"

namespace vxs::history_test {
namespace {

using store::CommitWindow;

class CommitWindowTest : public HistoryFixture {
 protected:
  static store::MainCommit commit(Seq seq) {
    store::MainCommit commit{.seq = seq, .commit = {}, .tree = {}, .first_seq = seq};
    return commit;
  }
  static std::int64_t anonymous_kb() {
    std::ifstream status("/proc/self/status");
    std::int64_t kb = -1;
    for (std::string word; status >> word;) {
      if (word == "RssAnon:") status >> kb;
    }
    return kb;
  }
  store::ObjectStore objects() { return store::ObjectStore::open(repository).value(); }
};

TEST_F(CommitWindowTest, HoldsTheNewestAndForgetsTheOldest) {
  auto store = objects();
  CommitWindow window(store);
  EXPECT_TRUE(window.empty());
  constexpr Seq kPushed = CommitWindow::kReach + 1000;
  // Every second Seq is a commit.
  for (Seq i = 1; i <= kPushed; ++i) window.push(commit(2 * i));
  for (const Seq i : {kPushed - CommitWindow::kReach + 1, kPushed / 2, kPushed}) {
    ASSERT_TRUE(window.find(2 * i));
    EXPECT_EQ(window.find(2 * i)->seq, 2 * i);
    EXPECT_EQ(window.find(2 * i + 1)->seq, 2 * i);
    EXPECT_FALSE(window.find(2 * i)->older);
  }
  // Older than all: the oldest there is, without a look into the repository.
  ASSERT_TRUE(window.find(1));
  EXPECT_EQ(window.find(1)->seq, 2 * (kPushed - CommitWindow::kReach + 1));
}

#if !defined(VXS_ASAN) && !defined(VXS_TSAN)  // whose heaps keep what is freed
// Nine commits to a block kept a page each, of those that were free around it: 29 MB for 3.7.
TEST_F(CommitWindowTest, Bug_ItKeepsNoMoreOfTheHeapThanItsSize) {
  auto store = objects();
  std::vector<std::string> between;  // what the commits themselves take for a while
  CommitWindow window(store);
  const std::int64_t before = anonymous_kb();
  for (Seq i = 1; i <= CommitWindow::kReach; ++i) {
    window.push(commit(i));
    if (i % 3 == 0) between.emplace_back(1500, 'x');
  }
  std::vector<std::string>().swap(between);
  (void)malloc_trim(0);
  const auto size = static_cast<std::int64_t>(CommitWindow::kReach * sizeof(store::MainCommit));
  EXPECT_LT(anonymous_kb() - before, (size >> 10) + (2 << 10));
  EXPECT_FALSE(window.empty());
}
#endif

TEST_F(CommitWindowTest, ASplitReplacesTheCommitItFollows) {
  auto store = objects();
  CommitWindow window(store);
  window.push(commit(1));
  window.push({.seq = 9, .commit = {}, .tree = {}, .first_seq = 5});
  window.push(commit(9));
  ASSERT_TRUE(window.find(9));
  EXPECT_EQ(window.find(9)->first_seq, 5U) << "it still holds what was folded";
  ASSERT_TRUE(window.find(6));
  EXPECT_EQ(window.find(6)->seq, 1U);
  EXPECT_TRUE(window.find(6)->older);
}

// A restart knows the head alone, and then as much as it is asked for: at the old end of a ring
// that goes on at the new one meanwhile.
TEST_F(CommitWindowTest, WhatWasThereBeforeTheStartIsReadBackInFrontOfWhatIsNew) {
  constexpr Seq kBefore = 300;
  for (Seq i = 0; i < kBefore; ++i) scenario.write("/a", std::to_string(i));
  flush();
  const Seq newest = scenario.last_seq();
  auto store = objects();
  CommitWindow window(store);
  const auto id = store.read_main();
  ASSERT_TRUE(id);
  std::string text;
  ASSERT_TRUE(store.read(*id, store::ObjectType::kCommit, text));
  window.push(
      {.seq = newest, .commit = *id, .tree = store::parse_commit(text)->tree, .first_seq = newest});
  for (Seq back = 1; back < kBefore; ++back) {
    window.push(commit(newest + back));
    const Seq seq = newest - back;
    const auto found = window.find(seq);
    ASSERT_TRUE(found);
    ASSERT_EQ(found->seq, seq);
    ASSERT_TRUE(store.read(found->commit, store::ObjectType::kCommit, text));
    ASSERT_EQ(store::number_trailer(store::parse_commit(text)->message, "Seq"), seq);
    ASSERT_EQ(window.find(newest + back)->seq, newest + back);
    ASSERT_EQ(window.find(newest)->commit, *id);
  }
}

}  // namespace
}  // namespace vxs::history_test
