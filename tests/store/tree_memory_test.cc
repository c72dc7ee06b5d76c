// What a change leaves behind when memory runs out: operator new fails at every place in turn.
#include <gtest/gtest.h>

#include <array>
#include <new>
#include <span>

#include "store/child_set.hh"
#include "tree_failing_new.hh"
#include "tree_model.hh"

namespace vxs::store::test {
namespace {

class TreeMemory : public ::testing::Test {
 protected:
  TreeMemory() {
    stats_.pool.set_limit(0);  // every block comes from operator new
    const std::array<protocol::PermEntry, 1> entries{{{0, protocol::Access::kNone, 0}}};
    perms_ = table_.intern(entries);
  }
  [[nodiscard]] Tree make_tree(std::size_t children) {
    Tree tree(stats_, perms_, perms_, perms_);
    EXPECT_TRUE(tree.apply({ChangeKind::kCreate, false, "/dir", "", perms_}, 1));
    for (std::size_t i = 0; i < children; ++i) {
      const std::string path = "/dir/child" + std::to_string(i);
      EXPECT_TRUE(tree.apply({ChangeKind::kCreate, false, path, "value", perms_}, 1));
      EXPECT_TRUE(tree.apply({ChangeKind::kCreate, false, path + "/leaf", "value", perms_}, 1));
    }
    return tree;
  }
  /// Fails `change` at its first, second, … allocation until it succeeds.
  void expect_strong(std::size_t children, bool shared, const Change& change) {
    expect_strong(children, shared, std::span(&change, 1));
  }
  void expect_strong(std::size_t children, bool shared, std::span<const Change> run) {
    for (long fail_at = 0;; ++fail_at) {
      ASSERT_LT(fail_at, 1'000);
      Tree tree = make_tree(children);
      const Tree snapshot = shared ? tree : Tree(stats_, perms_, perms_, perms_);
      const std::uint64_t before = tree.state_hash();
      const std::size_t count = tree.node_count();
      bool threw = false;
      fail_allocation(fail_at);
      try {
        ASSERT_TRUE(tree.apply_run(run, 2));
      } catch (const std::bad_alloc&) {
        threw = true;
      }
      const bool failed = allocation_failed();
      fail_allocation(-1);
      if (threw) {
        ASSERT_EQ(tree.state_hash(), before) << fail_at;
        ASSERT_EQ(tree.node_count(), count) << fail_at;
        ASSERT_EQ(tree.same_version(snapshot), shared) << fail_at;
      }
      if (shared) {
        ASSERT_EQ(snapshot.state_hash(), before) << fail_at;
        const std::size_t reachable = tree.bytes();
        tree = Tree(stats_, perms_, perms_, perms_);
        ASSERT_EQ(stats_.total_bytes, snapshot.bytes() + tree.bytes()) << fail_at;
        ASSERT_GT(reachable, 0U);
      } else {
        ASSERT_EQ(stats_.total_bytes, snapshot.bytes() + tree.bytes()) << fail_at;
        // And it goes on working.
        if (threw) {
          ASSERT_TRUE(tree.apply_run(run, 2));
          ASSERT_EQ(stats_.total_bytes, snapshot.bytes() + tree.bytes()) << fail_at;
        }
      }
      if (!failed) break;
    }
    ASSERT_EQ(stats_.total_bytes, 0U);
    ASSERT_EQ(stats_.total_nodes, 0U);
  }

  PermTable table_;
  PermRef perms_;
  TreeStats stats_;
};

class TreeMemoryOfForms : public TreeMemory, public ::testing::WithParamInterface<std::size_t> {};

TEST_P(TreeMemoryOfForms, FailedAllocationChangesNoContent) {
  const std::size_t children = GetParam();
  const std::string last = "/dir/child" + std::to_string(children - 1);
  const std::string big(3'000, 'v');
  for (const bool shared : {false, true}) {
    expect_strong(children, shared, {ChangeKind::kCreate, false, "/dir/new", "v", perms_});
    expect_strong(children, shared, {ChangeKind::kCreate, false, last + "/new", big, perms_});
    expect_strong(children, shared, {ChangeKind::kWrite, false, last + "/leaf", big, {}});
    expect_strong(children, shared, {ChangeKind::kWrite, false, last, big, {}});
    expect_strong(children, shared, {ChangeKind::kRemove, false, last, {}, {}});
    expect_strong(children, shared, {ChangeKind::kRemove, false, "/dir", {}, {}});
    expect_strong(children, shared, {ChangeKind::kSetPerms, false, last, {}, perms_});
    expect_strong(children, shared, {ChangeKind::kSetPerms, false, "@releaseDomain", {}, perms_});
  }
}

TEST_P(TreeMemoryOfForms, FailedAllocationInARunMakesNoneOfItsNodes) {
  const std::size_t children = GetParam();
  const std::string big(3'000, 'v');
  const std::array<Change, 4> run{{{ChangeKind::kCreate, true, "/dir/new", "", perms_},
                                   {ChangeKind::kCreate, true, "/dir/new/a", big, perms_},
                                   {ChangeKind::kCreate, true, "/dir/new/a/b", "", perms_},
                                   {ChangeKind::kCreate, false, "/dir/new/a/b/c", "v", perms_}}};
  ASSERT_EQ(run_length(run), run.size());
  for (const bool shared : {false, true}) expect_strong(children, shared, run);
}

// Blocks of a large set that were made for the new child and stay are counted all the same.
TEST_F(TreeMemory, Bug_AFailedRunKeepsTheCountOfItsParentsBytes) {
  const std::array<Change, 2> run{{{ChangeKind::kCreate, true, "/dir/new", "", perms_},
                                   {ChangeKind::kCreate, false, "/dir/new/a", "v", perms_}}};
  for (std::size_t children = kSmallMost; children < kSmallMost + 120; ++children) {
    expect_strong(children, false, run);
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, TreeMemoryOfForms,
                         ::testing::Values(1, 2, kLargeLeast + 1, kSmallMost, kSmallMost + 1, 64,
                                           1'100));

}  // namespace
}  // namespace vxs::store::test
