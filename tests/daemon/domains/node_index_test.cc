// The index is built a little at a time after a restart, while the tree changes.
#include "daemon/core/node_index.hh"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace vxs::test {
namespace {

using daemon::NodeIndex;
using protocol::PermEntry;
using store::Change;
using store::ChangeKind;

class Index : public testing::Test {
 protected:
  [[nodiscard]] store::PermRef perms(DomId owner, DomId reader) {
    const std::vector<PermEntry> entries{{.domid = owner, .access = protocol::Access::kNone},
                                         {.domid = reader, .access = protocol::Access::kRead}};
    return table_.intern(entries);
  }
  void change(ChangeKind kind, const std::string& path, DomId owner = 0) {
    const Change change{
        .kind = kind, .path = path, .value = {}, .perms = perms(owner, DomId(owner + 1))};
    ASSERT_TRUE(tree_.apply(change, ++seq_)) << path;
    index_.apply(std::span(&change, 1));
  }
  // Something that fits the tree as it is.
  void change_anything() {
    std::vector<std::string> paths;
    tree_.walk([&](std::string_view path, const store::Node&) {
      paths.emplace_back(path);
      return true;
    });
    const std::string& path = paths[random_() % paths.size()];
    const auto owner = static_cast<DomId>(random_() % 5);
    switch (random_() % 4) {
      case 0:
        if (path != "/") return change(ChangeKind::kRemove, path);
        [[fallthrough]];
      case 1:
        return change(ChangeKind::kSetPerms, path, owner);
      default: {
        const std::string child =
            (path == "/" ? path : path + "/") + "n" + std::to_string(random_() % 8);
        if (tree_.find(child) == nullptr) change(ChangeKind::kCreate, child, owner);
      }
    }
  }

  store::PermTable table_;
  store::TreeStats stats_;
  daemon::Domains domains_{0, {}};
  store::Tree tree_{stats_, perms(0, 0), perms(0, 0), perms(0, 0)};
  NodeIndex index_{domains_};
  std::mt19937 random_{7};
  Seq seq_ = 0;
};

TEST_F(Index, BuiltWhileTheTreeChangesItIsWhatAWalkFinds) {
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 40; ++i) change_anything();
    index_.begin(tree_);
    EXPECT_FALSE(index_.complete());
    for (int turns = 0; !index_.build(tree_, 3); ++turns) {
      ASSERT_LT(turns, 10'000);
      change_anything();
    }
    EXPECT_TRUE(index_.complete());
    for (int i = 0; i < 10; ++i) change_anything();
    NodeIndex walked(domains_);
    walked.rebuild(tree_);
    ASSERT_TRUE(walked == index_) << "round " << round;
    for (DomId domid = 1; domid < 7; ++domid) {
      ASSERT_EQ(walked.named(domid).size(), index_.named(domid).size());
    }
  }
}

TEST_F(Index, WhatIsLeftCanBeDoneAtOnce) {
  for (int i = 0; i < 300; ++i) change_anything();
  index_.begin(tree_);
  (void)index_.build(tree_, 2);
  index_.finish(tree_);
  NodeIndex walked(domains_);
  walked.rebuild(tree_);
  EXPECT_TRUE(walked == index_);
}

TEST_F(Index, ANewBeginningForgetsAHalfBuiltOne) {
  for (int i = 0; i < 300; ++i) change_anything();
  index_.begin(tree_);
  (void)index_.build(tree_, 20);
  index_.rebuild(tree_);
  EXPECT_TRUE(index_.complete());
  index_.begin(tree_);
  index_.finish(tree_);
  NodeIndex walked(domains_);
  walked.rebuild(tree_);
  EXPECT_TRUE(walked == index_);
}

}  // namespace
}  // namespace vxs::test
