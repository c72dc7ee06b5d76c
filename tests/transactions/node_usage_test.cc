// Counts that follow random changes are held against a full recount (G10, J5).
#include "transactions/node_usage.hh"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "transactions/head.hh"
#include "transactions/operation.hh"

namespace vxs::transactions {
namespace {

using protocol::PermEntry;

std::string path_of(std::uint32_t bits) {
  std::string path;
  for (std::uint32_t depth = bits % 5; depth > 0; --depth) {
    bits /= 5;
    path += "/" + std::string(1 + bits % 3, static_cast<char>('a' + bits % 3));
  }
  return path.empty() ? "/" : path;
}

RC_GTEST_PROP(NodeUsageModel, G10_CountsEqualARecountAfterAnyChanges, ()) {
  store::PermTable table;
  store::TreeStats stats;
  const auto list = [&](DomId owner, Incarnation life, std::size_t more) {
    std::vector<PermEntry> entries(1 + more, PermEntry{.domid = 9});
    entries[0] = {.domid = owner, .access = protocol::Access::kBoth, .incarnation = life};
    return table.intern(entries);
  };
  Head head(stats, table, store::Tree(stats, list(0, 0, 0), list(0, 0, 0), list(0, 0, 0)), 0);
  NodeUsage usage;
  usage.add_tree(head.tree());
  head.set_ledger(&usage);
  const auto steps = *rc::gen::arbitrary<std::vector<std::array<std::uint32_t, 4>>>();
  std::string scratch;
  for (const auto& step : steps) {
    static constexpr OperationKind kKinds[] = {OperationKind::kWrite, OperationKind::kMkdir,
                                               OperationKind::kRm, OperationKind::kSetPerms};
    const std::string path = path_of(step[1]);
    const std::string value(step[2] % 100, 'v');
    const Caller caller{.domid = static_cast<DomId>(step[3] % 3),
                        .incarnation = step[3] / 3 % 2,
                        .privileged = step[3] % 3 == 0};
    std::vector<store::Change> changes;
    (void)evaluate(
        head.tree(), table, caller,
        Operation{.kind = kKinds[step[0] % 4],
                  .path = path,
                  .value = value,
                  .perms = list(static_cast<DomId>(step[2] % 3), step[2] / 3 % 2, step[2] / 6 % 4)},
        changes, scratch);
    NodeUsage request;
    request.changing_request(head.tree(), changes);
    const auto before = usage.shares();
    RC_ASSERT(head.commit(changes, head.seq() + 1, caller.domid));
    for (const auto& [owner, share] : request.shares()) {
      const auto was = before.find(owner);
      const auto now = usage.of(owner);
      const auto old = was == before.end() ? NodeUsage::Share{} : was->second;
      RC_ASSERT(now.nodes - old.nodes == share.nodes);
      RC_ASSERT(now.bytes - old.bytes == share.bytes);
    }
  }
  NodeUsage again;
  again.add_tree(head.tree());
  RC_ASSERT(again.shares() == usage.shares());
}

TEST(NodeUsage, G3_G6_TheFormulaOfOneNode) {
  store::PermTable table;
  store::TreeStats stats;
  const std::vector<PermEntry> two(2, PermEntry{.domid = 3});
  const std::vector<PermEntry> one(1);
  store::Tree tree(stats, table.intern(one), table.intern(one), table.intern(one));
  const store::Change dir{.kind = store::ChangeKind::kCreate,
                          .path = "/dir",
                          .value = "abc",
                          .perms = table.intern(two)};
  const store::Change child{.kind = store::ChangeKind::kCreate,
                            .path = "/dir/child",
                            .value = {},
                            .perms = table.intern(one)};
  NodeUsage usage;
  usage.changing(tree, dir);
  ASSERT_TRUE(tree.apply(dir, 1));
  usage.changing(tree, child);
  ASSERT_TRUE(tree.apply(child, 2));
  EXPECT_EQ(usage.of({3, 0}).nodes, 1);
  EXPECT_EQ(usage.of({3, 0}).bytes, 16 + 2 * 8 + 3 + 6 + 4);
  EXPECT_EQ(node_size(*tree.find("/dir")), 16U + 2 * 8 + 3 + 6);
}

TEST(NodeUsage, AChangeThatDoesNotFitCountsNothing) {
  store::PermTable table;
  store::TreeStats stats;
  const std::vector<PermEntry> one(1);
  const auto perms = table.intern(one);
  const store::Tree tree(stats, perms, perms, perms);
  NodeUsage usage;
  for (const auto kind : {store::ChangeKind::kCreate, store::ChangeKind::kWrite,
                          store::ChangeKind::kRemove, store::ChangeKind::kSetPerms}) {
    usage.changing(tree, {.kind = kind, .path = "/no/parent", .value = "v", .perms = perms});
    usage.changing(tree, {.kind = kind, .path = "@releaseDomain", .value = "v", .perms = perms});
  }
  usage.changing(tree, {.kind = store::ChangeKind::kRemove, .path = "/", .value = {}, .perms = {}});
  EXPECT_TRUE(usage.shares().empty());
}

}  // namespace
}  // namespace vxs::transactions
