#include "transactions/fired.hh"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "transactions/branch.hh"

namespace vxs::transactions {
namespace {

class FiredTest : public ::testing::Test {
 protected:
  FiredTest() : head_(stats_, table_, store::Tree(stats_, perms(), perms(), perms()), 0) {}
  store::PermRef perms() {
    const std::vector<protocol::PermEntry> dom0{{.domid = 0}};
    return table_.intern(dom0);
  }
  void make(const std::string& path) {
    std::vector<store::Change> changes;
    const Operation mkdir{.kind = OperationKind::kMkdir, .path = path, .value = {}, .perms = {}};
    (void)evaluate(head_.tree(), table_, Caller{}, mkdir, changes, scratch_);
    ASSERT_TRUE(head_.commit(changes, ++seq_, 0));
  }
  void in(Branch& branch, OperationKind kind, std::string path) {
    Operation operation{.kind = kind, .path = path, .value = "v", .perms = {}};
    if (kind == OperationKind::kSetPerms) operation.perms = perms();
    (void)branch.execute(table_, operation, scratch_);
  }
  /// "path" or "path-" for a removal, in order.
  std::vector<std::string> fired(Branch& branch) {
    const Decision decision = branch.decide(head_);
    std::vector<Fired> out;
    fired_by_transaction(head_.tree(), decision.changes, branch.log(), out);
    std::vector<std::string> names;
    for (const auto& one : out) names.push_back(std::string(one.path) + (one.removed ? "-" : ""));
    return names;
  }

  store::TreeStats stats_;
  store::PermTable table_;
  Head head_;
  Seq seq_ = 0;
  std::string scratch_;
};

using Names = std::vector<std::string>;

TEST_F(FiredTest, Watch_D11_OncePerNodeInOrderOfFirstAccess) {
  make("/a");
  make("/b");
  Branch branch(1, head_, Caller{});
  in(branch, OperationKind::kRead, "/b");
  in(branch, OperationKind::kWrite, "/a");
  in(branch, OperationKind::kWrite, "/b");
  in(branch, OperationKind::kWrite, "/a");
  EXPECT_EQ(fired(branch), (Names{"/b", "/a"}));
}

TEST_F(FiredTest, Watch_D12_ImplicitParentsAndMkdirOfAnExistingNodeAreSilent) {
  make("/a");
  Branch branch(1, head_, Caller{});
  in(branch, OperationKind::kMkdir, "/a");
  in(branch, OperationKind::kWrite, "/x/y/z");
  EXPECT_EQ(fired(branch), (Names{"/x/y/z"}));
}

TEST_F(FiredTest, Watch_D13_MadeAndRemovedInOneTransactionIsSilent) {
  Branch branch(1, head_, Caller{});
  in(branch, OperationKind::kWrite, "/t/x");
  in(branch, OperationKind::kRm, "/t/x");
  in(branch, OperationKind::kWrite, "/t/y/z");
  in(branch, OperationKind::kRm, "/t/y");
  in(branch, OperationKind::kWrite, "/u");
  EXPECT_EQ(fired(branch), (Names{"/u"}));
}

TEST_F(FiredTest, Watch_D4_ChangedAndThenRemovedWithAnAncestorFiresBoth) {
  make("/a");
  make("/a/n");
  Branch branch(1, head_, Caller{});
  in(branch, OperationKind::kWrite, "/a/n");
  in(branch, OperationKind::kRm, "/a");
  EXPECT_EQ(fired(branch), (Names{"/a/n", "/a-"}));
}

TEST_F(FiredTest, Watch_D13_RemovedAndMadeAgainFiresBoth) {
  make("/a");
  Branch branch(1, head_, Caller{});
  in(branch, OperationKind::kRm, "/a");
  in(branch, OperationKind::kWrite, "/a/n");
  EXPECT_EQ(fired(branch), (Names{"/a-", "/a/n"}));
}

TEST_F(FiredTest, Watch_D7_TheListBeforeTheChangeIsKept) {
  make("/a");
  const store::PermRef before = head_.tree().find("/a")->perms();
  std::vector<store::Change> changes{store::Change{.kind = store::ChangeKind::kSetPerms,
                                                   .implicit = false,
                                                   .path = "/a",
                                                   .value = {},
                                                   .perms = perms()}};
  std::vector<Fired> out;
  fired_by_request(head_.tree(), changes, out);
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0].old_perms, before);
}

}  // namespace
}  // namespace vxs::transactions
