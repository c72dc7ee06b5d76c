#include "transactions/operation.hh"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/transactions/oracle.hh"
#include "transactions/head.hh"

namespace vxs::transactions {
namespace {

using namespace std::string_literals;
using protocol::Access;
using protocol::PermEntry;

/// A small tree, and requests written in one line.
class OperationTest : public ::testing::Test {
 protected:
  OperationTest()
      : head_(stats_, table_,
              store::Tree(stats_, table_.intern(kDom0), table_.intern(kDom0), table_.intern(kDom0)),
              0) {}

  static Caller guest(DomId domid) { return Caller{.domid = domid, .privileged = false}; }

  std::string run(const Caller& caller, OperationKind kind, std::string path,
                  std::string value = {}, std::vector<PermEntry> perms = {},
                  std::uint64_t offset = 0) {
    changes_.clear();
    path_ = std::move(path);
    value_ = std::move(value);
    Operation operation{.kind = kind, .path = path_, .value = value_, .perms = {}};
    operation.offset = offset;
    if (!perms.empty()) operation.perms = table_.intern(perms);
    const Answer answer = evaluate(head_.tree(), table_, caller, operation, changes_, scratch_);
    const std::string said =
        answer.ok ? std::string(answer.data) : std::string(protocol::error_name(answer.error));
    if (!changes_.empty()) {
      EXPECT_TRUE(head_.commit(changes_, ++seq_, caller.domid));
    }
    return said;
  }
  std::string perms(const std::string& path) {
    return run(Caller{}, OperationKind::kGetPerms, path);
  }
  void give(const std::string& path, std::vector<PermEntry> entries) {
    EXPECT_EQ(run(Caller{}, OperationKind::kSetPerms, path, {}, std::move(entries)), kOk);
  }

  inline static const std::string kOk = "OK\0"s;
  inline static const std::vector<PermEntry> kDom0{{.domid = 0}};
  store::TreeStats stats_;
  store::PermTable table_;
  Head head_;
  Seq seq_ = 0;
  std::vector<store::Change> changes_;
  std::string scratch_, path_, value_;
};

TEST_F(OperationTest, Write_B2_CreatesMissingAncestorsEmpty) {
  EXPECT_EQ(run(Caller{}, OperationKind::kWrite, "/a/b/c", "v"), kOk);
  EXPECT_EQ(run(Caller{}, OperationKind::kRead, "/a/b"), "");
  EXPECT_EQ(run(Caller{}, OperationKind::kRead, "/a/b/c"), "v");
  EXPECT_EQ(run(Caller{}, OperationKind::kDirectory, "/a"), "b\0"s);
}

TEST_F(OperationTest, Write_B2_PrivilegedMayWriteTheRoot) {
  EXPECT_EQ(run(Caller{}, OperationKind::kWrite, "/", "x"), kOk);
  EXPECT_EQ(run(Caller{}, OperationKind::kRead, "/"), "x");
}

TEST_F(OperationTest, Write_C10_CreatorBecomesOwnerOnlyIfUnprivileged) {
  (void)run(Caller{}, OperationKind::kMkdir, "/g");
  give("/g", {{.domid = 5, .access = Access::kRead}, {.domid = 9, .access = Access::kWrite}});
  EXPECT_EQ(run(guest(9), OperationKind::kWrite, "/g/n", "x"), kOk);
  EXPECT_EQ(perms("/g/n"), "r9\0w9\0"s);
  EXPECT_EQ(run(Caller{}, OperationKind::kWrite, "/g/m", "x"), kOk);
  EXPECT_EQ(perms("/g/m"), "r5\0w9\0"s);
}

TEST_F(OperationTest, Write_C12_AStubDomainOwnsWhatItCreates) {
  (void)run(Caller{}, OperationKind::kMkdir, "/t");
  give("/t", {{.domid = 5}});
  Caller stub = guest(6);
  stub.target = 5;
  EXPECT_EQ(run(stub, OperationKind::kWrite, "/t/n", ""), kOk);
  EXPECT_EQ(perms("/t/n"), "n6\0"s);
  EXPECT_EQ(run(stub, OperationKind::kSetPerms, "/t", {}, {{.domid = 5, .access = Access::kRead}}),
            kOk);
}

TEST_F(OperationTest, Mkdir_B3_ExistingNodeNeedsTheRightToWrite) {
  (void)run(Caller{}, OperationKind::kWrite, "/a", "v");
  EXPECT_EQ(run(Caller{}, OperationKind::kMkdir, "/a"), kOk);
  EXPECT_TRUE(changes_.empty());
  EXPECT_EQ(run(guest(5), OperationKind::kMkdir, "/a"), "EACCES");
  EXPECT_EQ(run(Caller{}, OperationKind::kRead, "/a"), "v");
}

TEST_F(OperationTest, Rm_B4_MissingNodes) {
  (void)run(Caller{}, OperationKind::kMkdir, "/a");
  EXPECT_EQ(run(Caller{}, OperationKind::kRm, "/a/b"), kOk);
  EXPECT_TRUE(changes_.empty());
  EXPECT_EQ(run(Caller{}, OperationKind::kRm, "/a/b/c"), "ENOENT");
  EXPECT_EQ(run(guest(5), OperationKind::kRm, "/a/b"), "EACCES");
  EXPECT_EQ(run(guest(5), OperationKind::kRm, "/a/b/c"), "EACCES");
}

TEST_F(OperationTest, Rm_B4_RootIsEinvalAfterThePermissionCheck) {
  EXPECT_EQ(run(Caller{}, OperationKind::kRm, "/"), "EINVAL");
  EXPECT_EQ(run(guest(5), OperationKind::kRm, "/"), "EACCES");
}

TEST_F(OperationTest, Rm_B4_NeedsNoRightOnParentOrChildren) {
  (void)run(Caller{}, OperationKind::kWrite, "/a/b/c", "");
  give("/a/b", {{.domid = 5}});
  EXPECT_EQ(run(guest(5), OperationKind::kRm, "/a/b"), kOk);
  EXPECT_EQ(run(Caller{}, OperationKind::kDirectory, "/a"), "");
}

TEST_F(OperationTest, Directory_B5_CreationOrderWithoutGaps) {
  for (const char* name : {"/d/z", "/d/a", "/d/m"}) {
    (void)run(Caller{}, OperationKind::kMkdir, name);
  }
  EXPECT_EQ(run(Caller{}, OperationKind::kDirectory, "/d"), "z\0a\0m\0"s);
  (void)run(Caller{}, OperationKind::kRm, "/d/a");
  (void)run(Caller{}, OperationKind::kMkdir, "/d/a");
  EXPECT_EQ(run(Caller{}, OperationKind::kDirectory, "/d"), "z\0m\0a\0"s);
}

TEST_F(OperationTest, Directory_B5_MoreThan4096BytesIsE2big) {
  for (int i = 0; i < 420; ++i) {
    (void)run(Caller{}, OperationKind::kMkdir, "/big/child" + std::to_string(1000 + i));
  }
  EXPECT_EQ(run(Caller{}, OperationKind::kDirectory, "/big"), "E2BIG");
}

TEST_F(OperationTest, DirectoryPart_B6_WholeNamesUntilTheMarkOfTheEnd) {
  std::string all;
  for (int i = 0; i < 420; ++i) {
    const std::string name = "child" + std::to_string(1000 + i);
    (void)run(Caller{}, OperationKind::kMkdir, "/big/" + name);
    all += name + '\0';
  }
  std::string got;
  std::size_t parts = 0;
  for (bool more = true; more; ++parts) {
    const auto part = run(Caller{}, OperationKind::kDirectoryPart, "/big", {}, {}, got.size());
    ASSERT_LE(part.size(), 4096U);
    std::string names = part.substr(part.find('\0') + 1);
    more = !names.ends_with("\0\0"s) && names != "\0"s;
    if (!more) names.pop_back();
    got += names;
  }
  EXPECT_EQ(got, all);
  EXPECT_EQ(parts, 2U);
  const auto beyond = run(Caller{}, OperationKind::kDirectoryPart, "/big", {}, {}, 1'000'000);
  EXPECT_EQ(beyond.substr(beyond.find('\0')), "\0\0"s);
}

TEST_F(OperationTest, SetPerms_B8_OnlyTheOwnerAndNeverANewOwner) {
  (void)run(Caller{}, OperationKind::kMkdir, "/o");
  give("/o", {{.domid = 5, .access = Access::kBoth}});
  EXPECT_EQ(run(guest(6), OperationKind::kSetPerms, "/o", {}, {{.domid = 6}}), "EACCES");
  EXPECT_EQ(run(guest(5), OperationKind::kSetPerms, "/o", {}, {{.domid = 6}}), "EPERM");
  EXPECT_EQ(run(guest(5), OperationKind::kSetPerms, "/o", {}, {{.domid = 5}}), kOk);
  EXPECT_EQ(run(Caller{}, OperationKind::kSetPerms, "/missing", {}, {{.domid = 5}}), "ENOENT");
  EXPECT_EQ(run(Caller{}, OperationKind::kSetPerms, "@foo", {}, {{.domid = 5}}), "ENOENT");
  EXPECT_EQ(run(Caller{}, OperationKind::kSetPerms, "@releaseDomain", {}, {{.domid = 0}}), kOk);
}

TEST_F(OperationTest, Errors_C14_TheTruthOnlyForWhoMayKnowIt) {
  (void)run(Caller{}, OperationKind::kMkdir, "/secret");
  (void)run(Caller{}, OperationKind::kMkdir, "/open");
  give("/open", {{.domid = 0, .access = Access::kRead}});
  (void)run(Caller{}, OperationKind::kMkdir, "/open/closed");
  give("/open/closed", {{.domid = 0}});
  EXPECT_EQ(run(guest(5), OperationKind::kRead, "/secret/x"), "EACCES");
  EXPECT_EQ(run(guest(5), OperationKind::kRead, "/open/x"), "ENOENT");
  EXPECT_EQ(run(guest(5), OperationKind::kRead, "/open/closed"), "EACCES");
  EXPECT_EQ(run(guest(5), OperationKind::kRead, "/open/closed/x/y"), "EACCES");
  EXPECT_EQ(run(Caller{}, OperationKind::kRead, "/nowhere/x"), "ENOENT");
}

TEST_F(OperationTest, Read_C15_NoRightOnAncestorsIsNeeded) {
  (void)run(Caller{}, OperationKind::kWrite, "/secret/readable", "v");
  give("/secret/readable", {{.domid = 0}, {.domid = 5, .access = Access::kRead}});
  EXPECT_EQ(run(guest(5), OperationKind::kRead, "/secret/readable"), "v");
}

TEST_F(OperationTest, GetPerms_B7_StaleEntriesArePrinted) {
  (void)run(Caller{}, OperationKind::kMkdir, "/p");
  give("/p",
       {{.domid = 0}, {.domid = 77, .access = Access::kBoth, .incarnation = kIncarnationStale}});
  EXPECT_EQ(perms("/p"), "n0\0b77\0"s);
}

}  // namespace
}  // namespace vxs::transactions
