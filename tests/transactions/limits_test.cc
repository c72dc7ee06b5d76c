// What limits do to requests and transactions of a guest, at the limit and one above it.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/transactions/some_limits.hh"
#include "transactions/branch.hh"
#include "transactions/limits.hh"

namespace vxs::transactions {
namespace {

using protocol::Access;
using protocol::Error;
using protocol::PermEntry;

constexpr Owner kGuest{5, 7};

class LimitsTest : public testing::Test {
 protected:
  LimitsTest()
      : head_(stats_, table_, store::Tree(stats_, list({{0}}), list({{0}}), list({{0}})), 0) {
    head_.set_ledger(&usage_);
    usage_.add_tree(head_.tree());
    as_dom0(OperationKind::kMkdir, "/g");
    set_owner("/g", kGuest);
  }

  store::PermRef list(const std::vector<PermEntry>& entries) { return table_.intern(entries); }

  Answer as_dom0(OperationKind kind, std::string_view path, std::string_view value = {},
                 store::PermRef perms = {}) {
    std::vector<store::Change> changes;
    const Answer answer =
        evaluate(head_.tree(), table_, Caller{},
                 Operation{.kind = kind, .path = path, .value = value, .perms = std::move(perms)},
                 changes, scratch_);
    if (!changes.empty()) {
      EXPECT_TRUE(head_.commit(changes, head_.seq() + 1, 0));
    }
    return answer;
  }
  void set_owner(std::string_view path, Owner owner) {
    ASSERT_TRUE(as_dom0(OperationKind::kSetPerms, path, {},
                        list({{.domid = owner.domid, .incarnation = owner.incarnation}}))
                    .ok);
  }

  /// What a request of the guest outside a transaction is refused with; commits it if it is not.
  std::optional<Error> guest(OperationKind kind, std::string_view path, std::string_view value = {},
                             store::PermRef perms = {}) {
    limits_.owned = static_cast<std::uint64_t>(usage_.of(kGuest).nodes);
    std::vector<store::Change> changes;
    const Answer answer =
        evaluate(head_.tree(), table_, guest_,
                 Operation{.kind = kind, .path = path, .value = value, .perms = std::move(perms)},
                 changes, scratch_);
    EXPECT_TRUE(answer.ok);
    const auto refused = refused_by_limits(limits_, guest_, head_.tree(), changes, nullptr);
    if (!refused) {
      EXPECT_TRUE(head_.commit(changes, head_.seq() + 1, 5));
    }
    return refused;
  }
  Answer in(Branch& branch, OperationKind kind, std::string_view path,
            std::string_view value = {}) {
    limits_.owned = static_cast<std::uint64_t>(usage_.of(kGuest).nodes);
    return branch.execute(table_,
                          Operation{.kind = kind, .path = path, .value = value, .perms = {}},
                          scratch_, &limits_);
  }
  Decision end(Branch& branch) {
    limits_.owned = static_cast<std::uint64_t>(usage_.of(kGuest).nodes);
    return branch.decide(head_, &limits_);
  }
  void expect_recount() {
    NodeUsage again;
    again.add_tree(head_.tree());
    EXPECT_EQ(again.shares(), usage_.shares());
  }

  store::TreeStats stats_;
  store::PermTable table_;
  NodeUsage usage_;
  test::SomeLimits limits_;
  Head head_;
  Caller guest_{.domid = 5, .incarnation = 7, .privileged = false};
  std::string scratch_;
};

constexpr auto kWrite = OperationKind::kWrite;
constexpr auto kRm = OperationKind::kRm;
constexpr auto kRead = OperationKind::kRead;

TEST_F(LimitsTest, Nodes_G2_TheLimitIsAllowedAndOneMoreIsEnospc) {
  limits_.most_nodes = 3;  // with /g
  EXPECT_EQ(guest(kWrite, "/g/a"), std::nullopt);
  EXPECT_EQ(guest(kWrite, "/g/b"), std::nullopt);
  EXPECT_EQ(guest(kWrite, "/g/c"), Error::kNospc);
  EXPECT_EQ(guest(kWrite, "/g/b", "rewritten"), std::nullopt);  // G4
  EXPECT_EQ(guest(kRm, "/g/a"), std::nullopt);
  EXPECT_EQ(guest(kWrite, "/g/c/d"), Error::kNospc);  // two at once
  EXPECT_EQ(guest(kWrite, "/g/c"), std::nullopt);
  expect_recount();
}

TEST_F(LimitsTest, Nodes_G4_GiftsCountAndStopTheNextCreationOnly) {
  limits_.most_nodes = 2;
  as_dom0(kWrite, "/gift1");
  as_dom0(kWrite, "/gift2");
  set_owner("/gift1", kGuest);
  set_owner("/gift2", kGuest);
  EXPECT_EQ(usage_.of(kGuest).nodes, 3);
  EXPECT_EQ(guest(kWrite, "/g/a"), Error::kNospc);
  EXPECT_EQ(guest(kWrite, "/gift1", "v"), std::nullopt);
  EXPECT_EQ(guest(kRm, "/gift1"), std::nullopt);
  EXPECT_EQ(guest(kRm, "/gift2"), std::nullopt);
  EXPECT_EQ(guest(kWrite, "/g/a"), std::nullopt);
  expect_recount();
}

TEST_F(LimitsTest, NodeSize_G2_G3_ValueAtTheLimitAndOneByteMore) {
  limits_.size = 2048;
  EXPECT_EQ(guest(kWrite, "/g/a", std::string(2048 - 16 - 8, 'x')), std::nullopt);
  EXPECT_EQ(guest(kWrite, "/g/a", std::string(2048 - 16 - 8 + 1, 'x')), Error::kNospc);
  EXPECT_EQ(guest(kWrite, "/g/b", std::string(2048 - 16 - 8 + 1, 'x')), Error::kNospc);
}

TEST_F(LimitsTest, NodeSize_G3_ChildrensNamesCountForTheParent) {
  limits_.size = 64;  // 16 + 8: room for 40 bytes of names
  for (char name = 'a'; name < 'a' + 20; ++name) {
    EXPECT_EQ(guest(kWrite, "/g/" + std::string(1, name)), std::nullopt);
  }
  EXPECT_EQ(guest(kWrite, "/g/z"), Error::kNospc);
  EXPECT_EQ(guest(kWrite, "/g", "v"), Error::kNospc);  // its own value too
  EXPECT_EQ(guest(OperationKind::kSetPerms, "/g", {},
                  list({{.domid = 5, .incarnation = 7}, {.domid = 1}})),
            Error::kNospc);
  EXPECT_EQ(guest(kRm, "/g/a"), std::nullopt);
  EXPECT_EQ(guest(kWrite, "/g/z"), std::nullopt);
  expect_recount();
}

TEST_F(LimitsTest, NodeSize_B4_AChildOfATooLargeNodeCanBeRemoved) {
  EXPECT_EQ(guest(kWrite, "/g/a"), std::nullopt);
  EXPECT_EQ(guest(kWrite, "/g", std::string(100, 'x')), std::nullopt);
  limits_.size = 50;
  EXPECT_EQ(guest(kRm, "/g/a"), std::nullopt);
}

TEST_F(LimitsTest, Memory_G6_G7_TheLastByteIsAllowedAndOneMoreIsEnomem) {
  // A new node: 16 + 8 + value + path, and its name in the parent.
  const std::uint64_t node = 16 + 8 + 10 + 4 + 2;
  limits_.used = 1000;
  limits_.memory = 1000 + node - 1;
  EXPECT_EQ(guest(kWrite, "/g/a", std::string(10, 'x')), Error::kNomem);
  limits_.memory = 1000 + node;
  EXPECT_EQ(guest(kWrite, "/g/a", std::string(10, 'x')), std::nullopt);
  EXPECT_EQ(usage_.of(kGuest).bytes, 16 + 8 + 2 + 2 + 16 + 8 + 10 + 4);
  limits_.memory = 1;  // above already
  EXPECT_EQ(guest(kWrite, "/g/a", std::string(10, 'y')), std::nullopt);
  EXPECT_EQ(guest(kWrite, "/g/a", std::string(11, 'y')), Error::kNomem);
  EXPECT_EQ(guest(kRm, "/g/a"), std::nullopt);
  expect_recount();
}

TEST_F(LimitsTest, Transaction_E10_TheNodeAboveTheLimitIsEnospcAndPoisons) {
  limits_.touched = 4;
  Branch branch(1, head_, guest_);
  EXPECT_TRUE(in(branch, kWrite, "/g/a").ok);  // and /g, which decided
  EXPECT_TRUE(in(branch, kWrite, "/g/b").ok);
  EXPECT_TRUE(in(branch, kRead, "/g/a").ok);  // not another one
  EXPECT_FALSE(in(branch, kRead, "/g/c").ok);
  EXPECT_EQ(branch.touched_nodes(), 4U);
  EXPECT_FALSE(branch.poisoned());
  const Answer more = in(branch, kWrite, "/g/d");
  EXPECT_EQ(more.error, Error::kNospc);
  EXPECT_TRUE(branch.poisoned());
  EXPECT_TRUE(in(branch, kRead, "/g/a").ok);
  const Decision decision = end(branch);
  EXPECT_EQ(decision.kind, Decision::Kind::kRefused);
  EXPECT_EQ(decision.error, Error::kNomem);  // B13
}

TEST_F(LimitsTest, Transaction_E10_RemovedNodesCountAndForbiddenOnesDoNot) {
  for (const char* path : {"/g/t/1", "/g/t/2", "/g/t/3", "/dom0/1", "/dom0/2", "/dom0/3"}) {
    as_dom0(kWrite, path);
  }
  set_owner("/g/t", kGuest);
  limits_.touched = 4;
  {
    Branch branch(1, head_, guest_);
    EXPECT_TRUE(in(branch, kRm, "/g/t").ok);
    EXPECT_EQ(branch.touched_nodes(), 4U);
    EXPECT_EQ(end(branch).kind, Decision::Kind::kCommit);
  }
  limits_.touched = 3;
  {
    Branch branch(2, head_, guest_);
    EXPECT_EQ(in(branch, kRm, "/dom0").error, Error::kAcces);
    EXPECT_FALSE(branch.poisoned());
  }
  Branch branch(3, head_, guest_);
  EXPECT_EQ(in(branch, kRm, "/g/t").error, Error::kNospc);
  EXPECT_TRUE(branch.poisoned());
}

TEST_F(LimitsTest, Transaction_E9_CreatesCountTogetherWithTheHeads) {
  limits_.most_nodes = 4;
  EXPECT_EQ(guest(kWrite, "/g/a"), std::nullopt);
  Branch branch(1, head_, guest_);
  EXPECT_TRUE(in(branch, kWrite, "/g/b").ok);
  EXPECT_TRUE(in(branch, kWrite, "/g/c").ok);
  EXPECT_EQ(in(branch, kWrite, "/g/d").error, Error::kNospc);
  EXPECT_FALSE(branch.poisoned());  // design §4
  EXPECT_TRUE(in(branch, kRm, "/g/b").ok);
  EXPECT_TRUE(in(branch, kWrite, "/g/d").ok);
  EXPECT_EQ(end(branch).kind, Decision::Kind::kCommit);
}

TEST_F(LimitsTest, Transaction_B13_TooManyNodesAtTheEndIsEnospcNotEagain) {
  limits_.most_nodes = 3;
  Branch first(1, head_, guest_);
  Branch second(2, head_, guest_);
  EXPECT_TRUE(in(first, kWrite, "/g/a").ok);
  EXPECT_TRUE(in(first, kWrite, "/g/b").ok);
  EXPECT_TRUE(in(second, kWrite, "/g/c").ok);
  EXPECT_TRUE(in(second, kWrite, "/g/d").ok);
  const Decision decision = end(first);
  ASSERT_EQ(decision.kind, Decision::Kind::kCommit);
  first.release_trees();
  ASSERT_TRUE(head_.commit(decision.changes, head_.seq() + 1, 5));
  const Decision refused = end(second);
  EXPECT_EQ(refused.kind, Decision::Kind::kRefused);
  EXPECT_EQ(refused.error, Error::kNospc);
  expect_recount();
}

TEST_F(LimitsTest, Transaction_B13_WithoutACreationBeingAboveTheLimitDoesNotMatter) {
  EXPECT_EQ(guest(kWrite, "/g/a"), std::nullopt);
  EXPECT_EQ(guest(kWrite, "/g/b"), std::nullopt);
  limits_.most_nodes = 1;
  Branch branch(1, head_, guest_);
  EXPECT_TRUE(in(branch, kWrite, "/g/a", "v").ok);
  EXPECT_TRUE(in(branch, kRm, "/g/b").ok);
  EXPECT_EQ(end(branch).kind, Decision::Kind::kCommit);
}

TEST_F(LimitsTest, Transaction_B13_MergedChildrenOverTheNodeSizeAreEnospc) {
  limits_.size = 64;
  Branch branch(1, head_, guest_);
  EXPECT_TRUE(in(branch, kWrite, "/g/" + std::string(20, 'x')).ok);
  EXPECT_EQ(guest(kWrite, "/g/" + std::string(18, 'y')), std::nullopt);
  EXPECT_EQ(end(branch).kind, Decision::Kind::kCommit);  // 16 + 8 + 21 + 19 is 64
  EXPECT_EQ(guest(kRm, "/g/" + std::string(18, 'y')), std::nullopt);
  EXPECT_EQ(guest(kWrite, "/g/" + std::string(19, 'y')), std::nullopt);
  const Decision refused = end(branch);
  EXPECT_EQ(refused.kind, Decision::Kind::kRefused);
  EXPECT_EQ(refused.error, Error::kNospc);
}

TEST_F(LimitsTest, Transaction_B13_AMergedChainIsMeasuredNodeByNodeAndCountedOnce) {
  limits_.size = 16 + 8 + 40;
  limits_.most_nodes = 6;  // with /g
  Branch fits(1, head_, guest_);
  EXPECT_TRUE(in(fits, kWrite, "/g/a/b/c", std::string(40, 'v')).ok);
  Branch parent_too_large(2, head_, guest_);
  EXPECT_TRUE(in(parent_too_large, kWrite, "/g/d/" + std::string(10, 'x') + "/y").ok);
  Branch too_many(3, head_, guest_);
  EXPECT_TRUE(in(too_many, kWrite, "/g/e/f/h").ok);
  as_dom0(kWrite, "/elsewhere");
  EXPECT_EQ(end(too_many).kind, Decision::Kind::kCommit);  // alone it would fit
  const Decision decision = end(fits);
  ASSERT_EQ(decision.kind, Decision::Kind::kCommit);
  fits.release_trees();
  ASSERT_TRUE(head_.commit(decision.changes, head_.seq() + 1, 5));
  EXPECT_EQ(usage_.of(kGuest).nodes, 4);
  expect_recount();
  const Decision refused = end(too_many);
  EXPECT_EQ(refused.kind, Decision::Kind::kRefused);
  EXPECT_EQ(refused.error, Error::kNospc);
  limits_.size = 16 + 8 + 10;  // /g/d takes 16 + 8 + 11
  EXPECT_EQ(end(parent_too_large).error, Error::kNospc);
}

TEST_F(LimitsTest, Transaction_RefusedByALimitIsNoConflictLaterAndChangesNothing) {
  limits_.most_nodes = 2;
  Branch branch(1, head_, guest_);
  EXPECT_TRUE(in(branch, kWrite, "/g/a").ok);
  EXPECT_EQ(in(branch, kWrite, "/g/b").error, Error::kNospc);
  limits_.most_nodes = 100;  // a replay would now find room
  as_dom0(kWrite, "/g/other");
  set_owner("/g", kGuest);  // facts changed: the replay decides
  as_dom0(OperationKind::kSetPerms, "/g", {},
          list({{.domid = 5, .incarnation = 7}, {.domid = 9, .access = Access::kRead}}));
  const Decision decision = end(branch);
  ASSERT_EQ(decision.kind, Decision::Kind::kCommit);
  ASSERT_EQ(decision.changes.size(), 1U);
  EXPECT_EQ(decision.changes[0].path, "/g/a");
}

TEST_F(LimitsTest, Transaction_ConflictStaysEagainEvenIfALimitIsHitToo) {
  as_dom0(kWrite, "/g/seen", "1");
  set_owner("/g/seen", kGuest);
  Branch branch(1, head_, guest_);
  EXPECT_TRUE(in(branch, kRead, "/g/seen").ok);
  EXPECT_TRUE(in(branch, kWrite, "/g/a").ok);
  as_dom0(kWrite, "/g/seen", "2");
  limits_.most_nodes = 1;
  EXPECT_EQ(end(branch).kind, Decision::Kind::kConflict);
}

TEST_F(LimitsTest, Transaction_G6_ItsLogIsChargedAndEndsAtTheMemoryLimit) {
  Branch branch(1, head_, guest_);
  EXPECT_TRUE(in(branch, kWrite, "/g/a", std::string(1000, 'x')).ok);
  const std::size_t charged = branch.log_bytes();
  EXPECT_GE(charged, 1000U + 16 + 8 + 4 + 2);
  limits_.used = charged;
  limits_.memory = charged + 50;
  EXPECT_EQ(in(branch, kRead, "/g/a").error, Error::kNomem);  // even asking costs
  EXPECT_EQ(branch.log_bytes(), charged);
  limits_.memory = charged + sizeof(LoggedOperation) + 4;
  EXPECT_TRUE(in(branch, kRead, "/g/a").ok);
  EXPECT_EQ(branch.log_bytes(), limits_.memory);
  limits_.used = branch.log_bytes();
  limits_.memory = limits_.used + sizeof(LoggedOperation) + 4;
  EXPECT_EQ(in(branch, kWrite, "/g/b").error, Error::kNomem);  // the node has no room
  EXPECT_EQ(end(branch).changes.size(), 1U);
}

TEST_F(LimitsTest, Transaction_AMovedBaseKeepsTheCount) {
  limits_.most_nodes = 4;
  Branch branch(1, head_, guest_);
  EXPECT_TRUE(in(branch, kWrite, "/g/a").ok);
  EXPECT_TRUE(in(branch, kWrite, "/g/b").ok);
  as_dom0(kWrite, "/elsewhere");
  branch.rebase(head_);
  EXPECT_TRUE(in(branch, kWrite, "/g/c").ok);
  EXPECT_EQ(in(branch, kWrite, "/g/d").error, Error::kNospc);
}

// Bug: in a transaction nobody asked whether the owner of a node, another than the caller, has
// memory for what is written into it.
TEST_F(LimitsTest, Bug_G6_TheMemoryOfOthersIsCheckedWhenATransactionEnds) {
  const std::string value(100, 'x');
  as_dom0(kWrite, "/theirs", "short");
  ASSERT_TRUE(as_dom0(OperationKind::kSetPerms, "/theirs", {},
                      list({PermEntry{6, Access::kNone, 1}, PermEntry{5, Access::kBoth, 7}}))
                  .ok);
  limits_.full = Owner{6, 1};
  EXPECT_EQ(guest(kWrite, "/theirs", value), Error::kNomem);
  const int before = limits_.refusals;
  Branch here(1, head_, guest_);
  Branch merged(2, head_, guest_);
  Branch less(3, head_, guest_);
  EXPECT_TRUE(in(here, kWrite, "/theirs", value).ok);
  EXPECT_TRUE(in(merged, kWrite, "/theirs", value).ok);
  EXPECT_TRUE(in(less, kWrite, "/theirs", value).ok);
  EXPECT_TRUE(in(less, kWrite, "/theirs", "s").ok);
  EXPECT_EQ(end(less).kind, Decision::Kind::kCommit) << "G4";
  EXPECT_EQ(end(here).kind, Decision::Kind::kRefused);
  EXPECT_EQ(end(here).error, Error::kNomem);
  as_dom0(kWrite, "/elsewhere");
  EXPECT_EQ(end(less).kind, Decision::Kind::kCommit);
  EXPECT_EQ(end(merged).kind, Decision::Kind::kRefused);
  EXPECT_EQ(end(merged).error, Error::kNomem);
  EXPECT_GT(limits_.refusals, before);
  limits_.full.reset();
  EXPECT_EQ(end(merged).kind, Decision::Kind::kCommit);
}

TEST_F(LimitsTest, Zero_G1_IsUnlimited) {
  Branch branch(1, head_, guest_);
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(in(branch, kWrite, "/g/n" + std::to_string(i), std::string(3000, 'x')).ok);
  }
  EXPECT_EQ(end(branch).kind, Decision::Kind::kCommit);
}

}  // namespace
}  // namespace vxs::transactions
