#include "transactions/rights.hh"

#include <gtest/gtest.h>

#include <vector>

namespace vxs::transactions {
namespace {

using protocol::Access;
using protocol::PermEntry;

class Rights : public ::testing::Test {
 protected:
  vxs::transactions::Rights of(const Caller& caller, std::vector<PermEntry> entries) {
    return rights_of(caller, *table_.intern(entries));
  }
  static Caller guest(DomId domid) { return Caller{.domid = domid, .privileged = false}; }

  store::PermTable table_;
};

TEST_F(Rights, Permissions_C9_PrivilegedHasAll) {
  EXPECT_EQ(of(Caller{}, {{.domid = 7, .access = Access::kNone}}), kRightAll);
}

TEST_F(Rights, Permissions_C17_OwnerHasAllWhateverTheLetter) {
  EXPECT_EQ(of(guest(7), {{.domid = 7, .access = Access::kNone}}), kRightAll);
}

TEST_F(Rights, Permissions_C9_TargetsOwnerRightsAreTheStubDomains) {
  Caller stub = guest(8);
  stub.target = 7;
  EXPECT_EQ(of(stub, {{.domid = 7}}), kRightAll);
  EXPECT_EQ(of(stub, {{.domid = 0}, {.domid = 7, .access = Access::kRead}}), kRightRead);
}

TEST_F(Rights, Permissions_C9_FirstMatchWinsAndIsNoUnion) {
  EXPECT_EQ(of(guest(7), {{.domid = 0},
                          {.domid = 7, .access = Access::kRead},
                          {.domid = 7, .access = Access::kWrite}}),
            kRightRead);
  EXPECT_EQ(
      of(guest(7), {{.domid = 0, .access = Access::kBoth}, {.domid = 7, .access = Access::kNone}}),
      kRightNone);
}

TEST_F(Rights, Permissions_C9_AnyMatchesEveryGuest) {
  EXPECT_EQ(of(guest(7), {{.domid = 0}, {.domid = kDomIdAny, .access = Access::kRead}}),
            kRightRead);
}

TEST_F(Rights, Permissions_C9_OthersGetTheDefault) {
  EXPECT_EQ(of(guest(7), {{.domid = 0, .access = Access::kWrite}}), kRightWrite);
}

TEST_F(Rights, Permissions_C13_AnEntryOfAnEarlierLifeNeverMatches) {
  Caller second = guest(7);
  second.incarnation = 2;
  EXPECT_EQ(of(second, {{.domid = 7, .access = Access::kNone, .incarnation = 1}}), kRightNone);
  EXPECT_EQ(of(second, {{.domid = 0}, {.domid = 7, .access = Access::kBoth, .incarnation = 1}}),
            kRightNone);
  EXPECT_EQ(of(second, {{.domid = 0}, {.domid = 7, .access = Access::kBoth, .incarnation = 2}}),
            kRightRead | kRightWrite);
}

TEST_F(Rights, Permissions_XSA417_AStaleEntryNeverMatches) {
  EXPECT_EQ(of(guest(7), {{.domid = 0},
                          {.domid = 7, .access = Access::kBoth, .incarnation = kIncarnationStale}}),
            kRightNone);
}

TEST_F(Rights, Permissions_XSA322_AStaleTargetGivesNoRights) {
  Caller stub = guest(8);
  stub.target = 7;
  stub.target_incarnation = 1;
  EXPECT_EQ(of(stub, {{.domid = 7, .access = Access::kNone, .incarnation = 2}}), kRightNone);
}

}  // namespace
}  // namespace vxs::transactions
