#include "transactions/branch.hh"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "transactions/branch_set.hh"

namespace vxs::transactions {
namespace {

class BranchTest : public ::testing::Test {
 protected:
  BranchTest() : head_(stats_, table_, store::Tree(stats_, perms(), perms(), perms()), 0) {}
  store::PermRef perms() {
    const std::vector<protocol::PermEntry> dom0{{.domid = 0}};
    return table_.intern(dom0);
  }
  std::string in(Branch& branch, OperationKind kind, const std::string& path,
                 const std::string& value = "v") {
    const Operation operation{.kind = kind, .path = path, .value = value, .perms = {}};
    const Answer answer = branch.execute(table_, operation, scratch_);
    return answer.ok ? std::string(answer.data) : std::string(protocol::error_name(answer.error));
  }
  void outside(OperationKind kind, const std::string& path, const std::string& value = "v",
               DomId author = 0) {
    std::vector<store::Change> changes;
    const Operation operation{.kind = kind, .path = path, .value = value, .perms = {}};
    (void)evaluate(head_.tree(), table_, Caller{}, operation, changes, scratch_);
    if (!changes.empty()) {
      ASSERT_TRUE(head_.commit(changes, ++seq_, author));
    }
  }
  Decision::Kind end(Branch& branch) {
    last_ = branch.decide(head_);
    if (last_.kind == Decision::Kind::kCommit) {
      branch.release_trees();
      EXPECT_TRUE(head_.commit(last_.changes, ++seq_, 0));
    }
    return last_.kind;
  }
  std::string_view head_value(std::string_view path) { return head_.tree().find(path)->value(); }

  store::TreeStats stats_;
  store::PermTable table_;
  Head head_;
  Seq seq_ = 0;
  std::string scratch_;
  Decision last_;
};

TEST_F(BranchTest, Transaction_E5_SeesItsOwnWritesAndOthersDoNotBeforeCommit) {
  Branch branch(1, head_, Caller{});
  EXPECT_EQ(in(branch, OperationKind::kWrite, "/a", "1"), std::string("OK\0", 3));
  EXPECT_EQ(in(branch, OperationKind::kRead, "/a"), "1");
  EXPECT_EQ(head_.tree().find("/a"), nullptr);
  EXPECT_EQ(end(branch), Decision::Kind::kCommit);
  EXPECT_EQ(last_.commit, store::CommitKind::kTransaction);
  EXPECT_EQ(head_value("/a"), "1");
}

TEST_F(BranchTest, Generations_B6_MissingAncestorsCountEachAlsoAfterAMovedBase) {
  outside(OperationKind::kWrite, "/other");
  Branch branch(1, head_, Caller{});
  const auto generation = [&](const char* path) {
    return in(branch, OperationKind::kDirectoryPart, path, "").substr(0, 2);
  };
  (void)in(branch, OperationKind::kWrite, "/a/b/c");
  // 1: the base. Each node made is a step of its own, and its parent's.
  EXPECT_EQ(generation("/"), std::string("2\0", 2));
  EXPECT_EQ(generation("/a"), std::string("3\0", 2));
  EXPECT_EQ(generation("/a/b"), std::string("4\0", 2));
  EXPECT_EQ(generation("/a/b/c"), std::string("4\0", 2));
  (void)in(branch, OperationKind::kWrite, "/a/b/c");
  EXPECT_EQ(generation("/a/b/c"), std::string("5\0", 2));
  outside(OperationKind::kWrite, "/other");
  branch.rebase(head_);
  EXPECT_EQ(generation("/"), std::string("3\0", 2));
  EXPECT_EQ(generation("/a/b"), std::string("5\0", 2));
  EXPECT_EQ(generation("/a/b/c"), std::string("6\0", 2));
  (void)in(branch, OperationKind::kWrite, "/a/d/e");
  EXPECT_EQ(generation("/a"), std::string("7\0", 2));
  EXPECT_EQ(generation("/a/d"), std::string("8\0", 2));
  ASSERT_EQ(end(branch), Decision::Kind::kCommit);
  EXPECT_EQ(head_.tree().find("/a/d/e")->generation(), seq_);
  EXPECT_EQ(head_.tree().find("/a/d")->generation(), seq_);
}

TEST_F(BranchTest, Transaction_E5_ReadOutsideWriteWriteIsEagainAndSaysWhy) {
  outside(OperationKind::kWrite, "/a", "1");
  Branch branch(1, head_, Caller{});
  (void)in(branch, OperationKind::kRead, "/a");
  outside(OperationKind::kWrite, "/other");
  outside(OperationKind::kWrite, "/a", "2", 5);
  const Seq blocking = seq_;
  outside(OperationKind::kWrite, "/other");
  (void)in(branch, OperationKind::kWrite, "/b");
  ASSERT_EQ(end(branch), Decision::Kind::kConflict);
  EXPECT_EQ(last_.conflict->path, "/a");
  EXPECT_EQ(last_.conflict->request, OperationKind::kRead);
  EXPECT_EQ(last_.conflict->blocking_seq, blocking);
  EXPECT_EQ(last_.conflict->blocking_domid, 5);
  EXPECT_EQ(head_.tree().find("/b"), nullptr);
}

TEST_F(BranchTest, Transaction_Design4_TheCulpritIsNotWhoeverCameLater) {
  outside(OperationKind::kWrite, "/a", "1");
  Branch branch(1, head_, Caller{});
  (void)in(branch, OperationKind::kRead, "/a");
  (void)in(branch, OperationKind::kWrite, "/b");
  outside(OperationKind::kWrite, "/a", "2", 5);
  const Seq blocking = seq_;
  outside(OperationKind::kWrite, "/a/child", "x", 6);
  ASSERT_EQ(end(branch), Decision::Kind::kConflict);
  EXPECT_EQ(last_.conflict->blocking_seq, blocking);
  EXPECT_EQ(last_.conflict->blocking_domid, 5);
}

TEST_F(BranchTest, Transaction_Design4_WhoMadeAChainOfNodesIsTheCulprit) {
  outside(OperationKind::kMkdir, "/a");
  using K = OperationKind;
  for (const auto& [kind, path] : {std::pair(K::kRead, "/a/b"), std::pair(K::kRead, "/a/b/c"),
                                   std::pair(K::kGetPerms, "/a/b/c/d"),
                                   std::pair(K::kDirectory, "/a")}) {
    Branch branch(1, head_, Caller{});
    (void)in(branch, kind, path);
    outside(K::kWrite, "/a/b/c/d", "v", 5);
    const Seq blocking = seq_;
    outside(K::kWrite, "/a/b/c/e", "v", 6);
    outside(K::kRm, "/a/b/c/e", "", 6);
    outside(K::kWrite, "/other", "v", 7);
    (void)in(branch, K::kWrite, "/mine");
    ASSERT_EQ(end(branch), Decision::Kind::kConflict) << path;
    EXPECT_EQ(last_.conflict->blocking_domid, 5) << path;
    EXPECT_EQ(last_.conflict->blocking_seq, blocking) << path;
    outside(K::kRm, "/a/b");
  }
}

TEST_F(BranchTest, Transaction_Design4_SiblingsOfOneParentMerge) {
  outside(OperationKind::kMkdir, "/p");
  Branch one(1, head_, Caller{});
  Branch two(2, head_, Caller{});
  (void)in(one, OperationKind::kWrite, "/p/one");
  (void)in(two, OperationKind::kWrite, "/p/two");
  EXPECT_EQ(end(one), Decision::Kind::kCommit);
  EXPECT_EQ(end(two), Decision::Kind::kCommit);
  EXPECT_EQ(last_.commit, store::CommitKind::kMerge);
  EXPECT_EQ(head_.tree().find("/p")->child_count(), 2U);
}

TEST_F(BranchTest, Transaction_Design4_TheSameValueWrittenOutsideIsNoConflict) {
  outside(OperationKind::kWrite, "/a", "1");
  Branch branch(1, head_, Caller{});
  (void)in(branch, OperationKind::kRead, "/a");
  (void)in(branch, OperationKind::kWrite, "/b");
  outside(OperationKind::kWrite, "/a", "1");
  EXPECT_EQ(end(branch), Decision::Kind::kCommit);
}

TEST_F(BranchTest, Transaction_Design4_AnswersRestoredBeforeTheEndAreNoConflict) {
  outside(OperationKind::kWrite, "/a", "1");
  Branch branch(1, head_, Caller{});
  (void)in(branch, OperationKind::kRead, "/a");
  (void)in(branch, OperationKind::kWrite, "/b");
  outside(OperationKind::kWrite, "/a", "2");
  outside(OperationKind::kWrite, "/a", "1");
  EXPECT_EQ(end(branch), Decision::Kind::kCommit);
}

TEST_F(BranchTest, Transaction_Design4_ReadersNeverConflict) {
  outside(OperationKind::kWrite, "/a", "1");
  Branch branch(1, head_, Caller{});
  EXPECT_EQ(in(branch, OperationKind::kRead, "/a"), "1");
  outside(OperationKind::kWrite, "/a", "2");
  EXPECT_EQ(in(branch, OperationKind::kRead, "/a"), "1");
  EXPECT_EQ(end(branch), Decision::Kind::kNothing);
}

TEST_F(BranchTest, Transaction_E11_AFailedRequestDoesNotPoison) {
  Branch branch(1, head_, Caller{});
  EXPECT_EQ(in(branch, OperationKind::kRm, "/no/such"), "ENOENT");
  (void)in(branch, OperationKind::kWrite, "/b");
  EXPECT_EQ(end(branch), Decision::Kind::kCommit);
}

TEST_F(BranchTest, Transaction_Design4_AFailedReadIsAnAnswerToo) {
  Branch branch(1, head_, Caller{});
  EXPECT_EQ(in(branch, OperationKind::kRead, "/a"), "ENOENT");
  (void)in(branch, OperationKind::kWrite, "/b");
  outside(OperationKind::kWrite, "/a");
  ASSERT_EQ(end(branch), Decision::Kind::kConflict);
  EXPECT_EQ(last_.conflict->path, "/a");
}

// Found by the oracle: the node the branch removed is the same on both sides, the list its
// successor inherits is not.
TEST_F(BranchTest, Bug_RemovedAndMadeAgainInheritsFromTheHead) {
  outside(OperationKind::kWrite, "/c/d");
  Branch branch(1, head_, Caller{});
  (void)in(branch, OperationKind::kRm, "/c/d");
  (void)in(branch, OperationKind::kWrite, "/c/d");
  const std::vector<protocol::PermEntry> guest{{.domid = 5}};
  const std::vector<store::Change> changes{store::Change{.kind = store::ChangeKind::kSetPerms,
                                                         .implicit = false,
                                                         .path = "/c",
                                                         .value = {},
                                                         .perms = table_.intern(guest)}};
  ASSERT_TRUE(head_.commit(changes, ++seq_, 0));
  EXPECT_EQ(end(branch), Decision::Kind::kCommit);
  EXPECT_EQ(head_.tree().find("/c/d")->perms()->owner(), 5);
}

TEST_F(BranchTest, Rebase_Design4_ADoomedBranchFailsEvenIfTheHeadChangedBack) {
  outside(OperationKind::kWrite, "/a", "1");
  Branch branch(1, head_, Caller{});
  (void)in(branch, OperationKind::kRead, "/a");
  outside(OperationKind::kWrite, "/a", "2");
  branch.rebase(head_);
  EXPECT_TRUE(branch.doomed());
  EXPECT_EQ(in(branch, OperationKind::kRead, "/a"), "2");
  outside(OperationKind::kWrite, "/a", "1");
  ASSERT_EQ(end(branch), Decision::Kind::kConflict);
  EXPECT_EQ(last_.conflict->path, "/a");
}

TEST_F(BranchTest, Pins_Design4_AThousandOpenTransactionsDoNotPinTheRewrittenTree) {
  constexpr int kNodes = 2000;
  constexpr std::size_t kLimit = 1U << 20;
  for (int i = 0; i < kNodes; ++i) {
    outside(OperationKind::kWrite, "/d/" + std::to_string(i / 50) + "/" + std::to_string(i),
            std::string(100, 'x'));
  }
  const std::size_t plain = stats_.total_bytes;
  PinLimits limits;
  limits.bytes = kLimit;
  BranchSet set(limits);
  std::vector<std::unique_ptr<Branch>> branches;
  std::size_t most = 0;
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 10; ++i) {
      auto& branch = branches.emplace_back(std::make_unique<Branch>(1, head_, Caller{}));
      (void)in(*branch, OperationKind::kRead, "/d/1/60");
      set.add(*branch, round);
    }
    for (int i = 0; i < kNodes; ++i) {
      outside(OperationKind::kWrite, "/d/" + std::to_string(i / 50) + "/" + std::to_string(i),
              std::string(100, static_cast<char>('a' + round % 26)));
      while (set.enforce(head_, round)) {
      }
      most = std::max(most, head_.pinned_bytes());
    }
  }
  EXPECT_EQ(branches.size(), 1000U);
  EXPECT_LE(set.bases(), limits.bases);
  // The stated bound: the limit, and what one change adds before it is looked at.
  EXPECT_LE(most, kLimit + 64 * 1024);
  EXPECT_LE(stats_.total_bytes, plain + kLimit + 64 * 1024);
  for (auto& branch : branches) set.remove(*branch);
  branches.clear();
  EXPECT_EQ(head_.pinned_bytes(), 0U);
}

TEST_F(BranchTest, Pins_Design4_NoMoreThanKDistinctBases) {
  PinLimits limits;
  limits.bases = 4;
  BranchSet set(limits);
  std::vector<std::unique_ptr<Branch>> branches;
  for (int i = 0; i < 50; ++i) {
    branches.push_back(std::make_unique<Branch>(1, head_, Caller{}));
    set.add(*branches.back(), 0);
    outside(OperationKind::kWrite, "/n" + std::to_string(i));
    (void)set.enforce(head_, 0);
    EXPECT_LE(set.bases(), 4U);
  }
}

TEST_F(BranchTest, Pins_Design4_AnOldBaseMovesUnobservably) {
  BranchSet set(PinLimits{});
  outside(OperationKind::kWrite, "/a", "1");
  Branch branch(1, head_, Caller{});
  (void)in(branch, OperationKind::kRead, "/a");
  (void)in(branch, OperationKind::kWrite, "/b", "mine");
  set.add(branch, 0);
  outside(OperationKind::kWrite, "/c");
  (void)set.enforce(head_, 6'000'000);
  EXPECT_EQ(branch.base_seq(), head_.seq());
  EXPECT_FALSE(branch.doomed());
  EXPECT_EQ(in(branch, OperationKind::kRead, "/b"), "mine");
  EXPECT_EQ(end(branch), Decision::Kind::kCommit);
  set.remove(branch);
}

}  // namespace
}  // namespace vxs::transactions
