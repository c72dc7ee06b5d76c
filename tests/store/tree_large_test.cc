// Directories with very many children, very deep trees, and what comes between two forms.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>

#include "store/child_name.hh"
#include "store/child_set.hh"
#include "tree_model.hh"

namespace vxs::store::test {
namespace {

constexpr std::size_t kMany = VXS_TREE_HASH_BITS < 32 ? 3'000 : 100'000;

class TreeLarge : public ::testing::Test {
 protected:
  TreeLarge() {
    const std::array<protocol::PermEntry, 1> entries{{{0, protocol::Access::kNone, 0}}};
    perms_ = table_.intern(entries);
  }
  ~TreeLarge() override {
    EXPECT_EQ(stats_.total_bytes, 0U);
    EXPECT_EQ(stats_.total_nodes, 0U);
  }
  [[nodiscard]] Tree empty_tree() { return {stats_, perms_, perms_, perms_}; }
  [[nodiscard]] bool create(Tree& tree, const std::string& path, const std::string& value = "") {
    return tree.apply({ChangeKind::kCreate, false, path, value, perms_}, ++seq_);
  }
  [[nodiscard]] bool remove(Tree& tree, const std::string& path) {
    return tree.apply({ChangeKind::kRemove, false, path, {}, {}}, ++seq_);
  }
  static std::string names_of(const std::vector<std::string>& names) {
    std::string whole;
    for (const std::string& name : names) whole += name + '\0';
    return whole;
  }
  static void expect_children(const Tree& tree, const std::vector<std::string>& names) {
    ASSERT_EQ(tree.root().child_count(), names.size());
    NodeCursor cursor(tree.root());
    for (const std::string& name : names) {
      ASSERT_TRUE(cursor);
      ASSERT_EQ(cursor->name(), name);
      ASSERT_EQ(tree.find("/" + name), &*cursor);
      cursor.next();
    }
    ASSERT_FALSE(cursor);
  }

  PermTable table_;
  PermRef perms_;
  TreeStats stats_;
  Seq seq_ = 0;
};

TEST_F(TreeLarge, ManyChildrenAreFoundOrderedSlicedAndRemovedInAnyOrder) {
  std::mt19937 random(7);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kMany; ++i) names.push_back("child" + std::to_string(i * 7));
  std::ranges::shuffle(names, random);
  {
    Tree tree = empty_tree();
    for (const std::string& name : names) ASSERT_TRUE(create(tree, "/" + name, name));
    EXPECT_FALSE(create(tree, "/" + names[3]));
    expect_children(tree, names);
    EXPECT_EQ(stats_.total_bytes, tree.bytes());

    const std::string whole = names_of(names);
    EXPECT_EQ(tree.root().child_names_bytes(), whole.size());
    for (int i = 0; i < 2'000; ++i) {
      const std::size_t offset = random() % (whole.size() + 10);
      ASSERT_EQ(slice_difference(tree.root(), whole, offset, random() % 4096), "");
    }
    // B6: page by page.
    std::string pages;
    while (!tree.root().append_child_names(pages, pages.size(), 4094)) continue;
    EXPECT_EQ(pages, whole);

    const Tree snapshot = tree;
    const std::uint64_t hash = snapshot.state_hash();
    std::vector<std::string> order = names;
    std::ranges::shuffle(order, random);
    const std::size_t half = order.size() / 2;
    for (std::size_t i = 0; i < half; ++i) ASSERT_TRUE(remove(tree, "/" + order[i]));
    std::vector<std::string> left;
    const std::vector<std::string> removed = [&] {
      std::vector<std::string> sorted(order.begin(), order.begin() + static_cast<long>(half));
      std::ranges::sort(sorted);
      return sorted;
    }();
    std::ranges::copy_if(names, std::back_inserter(left), [&removed](const std::string& name) {
      return !std::ranges::binary_search(removed, name);
    });
    expect_children(tree, left);
    EXPECT_EQ(tree.find("/" + order[0]), nullptr);
    EXPECT_EQ(slice_difference(tree.root(), names_of(left), 1'000, 4'000), "");
    expect_children(snapshot, names);
    EXPECT_EQ(snapshot.state_hash(), hash);

    for (std::size_t i = half; i < order.size(); ++i) ASSERT_TRUE(remove(tree, "/" + order[i]));
    EXPECT_EQ(tree.root().child_count(), 0U);
    EXPECT_EQ(tree.node_count(), 1U);
    EXPECT_EQ(tree.bytes(), empty_tree().bytes());
  }
}

TEST_F(TreeLarge, EveryOffsetAndLimitIsRightAroundTheChangeOfForm) {
  Tree tree = empty_tree();
  std::vector<std::string> names;
  const auto check = [&] {
    const std::string whole = names_of(names);
    for (std::size_t offset = 0; offset <= whole.size() + 1; ++offset) {
      for (const std::size_t limit : {0UL, 1UL, 5UL, 17UL, 100UL, whole.size()}) {
        ASSERT_EQ(slice_difference(tree.root(), whole, offset, limit), "") << names.size();
      }
    }
  };
  for (std::size_t i = 0; i < 3 * kSmallMost; ++i) {
    names.push_back("n" + std::to_string(i * i));
    ASSERT_TRUE(create(tree, "/" + names.back()));
    check();
  }
  while (!names.empty()) {
    const auto at = names.begin() + static_cast<long>(names.size() * 2 / 3);
    ASSERT_TRUE(remove(tree, "/" + *at));
    names.erase(at);
    check();
    expect_children(tree, names);
  }
}

TEST_F(TreeLarge, NamesOfAnyLengthFillTheLeavesOfTheOrder) {
  Tree tree = empty_tree();
  std::vector<std::string> names;
  for (std::size_t i = 0; i < 200; ++i) {
    names.push_back(std::string(i * 37 % 3'000 + 1, 'x') + std::to_string(i));
    ASSERT_TRUE(create(tree, "/" + names.back()));
  }
  expect_children(tree, names);
  for (std::size_t offset = 0; offset < tree.root().child_names_bytes(); offset += 511) {
    ASSERT_EQ(slice_difference(tree.root(), names_of(names), offset, 4'096), "");
  }
}

TEST_F(TreeLarge, ChangingOneChildOfManyCopiesLittle) {
  Tree tree = empty_tree();
  for (std::size_t i = 0; i < kMany; ++i) ASSERT_TRUE(create(tree, "/" + std::to_string(i)));
  const Tree snapshot = tree;
  const std::size_t before = stats_.total_bytes;
  ASSERT_TRUE(tree.apply({ChangeKind::kWrite, false, "/77", "new", {}}, ++seq_));
  EXPECT_GT(stats_.total_bytes, before);
  if constexpr (VXS_TREE_HASH_BITS == 32) {
    EXPECT_LT(stats_.total_bytes - before, 4'096U);
  }
  EXPECT_EQ(snapshot.find("/77")->value(), "");
  EXPECT_EQ(tree.find("/77")->value(), "new");
}

TEST_F(TreeLarge, PathOfAThousandComponents) {
  Tree tree = empty_tree();
  std::string path;
  std::vector<std::string> paths;
  for (int i = 0; i < 1'000; ++i) {
    path += "/d";
    paths.push_back(path);
    ASSERT_TRUE(create(tree, path));
  }
  EXPECT_EQ(tree.node_count(), 1'001U);
  const Tree snapshot = tree;
  ASSERT_TRUE(tree.apply({ChangeKind::kWrite, false, path, "deep", {}}, ++seq_));
  EXPECT_EQ(tree.find(path)->value(), "deep");
  EXPECT_EQ(snapshot.find(path)->value(), "");
  EXPECT_EQ(tree.lookup(path + "/x/y").ancestor_length, path.size());
  std::size_t visited = 0;
  tree.walk([&visited](std::string_view, const Node&) { return ++visited != 0; });
  EXPECT_EQ(visited, 1'001U);
  ASSERT_TRUE(remove(tree, "/d"));
  EXPECT_EQ(tree.node_count(), 1U);
  EXPECT_EQ(snapshot.node_count(), 1'001U);
}

TEST_F(TreeLarge, DepthOfAHundredThousandIsLoadedAndFreedWithoutRecursion) {
  constexpr std::size_t kDepth = 100'000;
  Tree tree = empty_tree();
  std::string path;
  for (std::size_t i = 0; i < kDepth; ++i) {
    path += "/d";
    ASSERT_TRUE(tree.load(path, "", perms_, 1));
  }
  EXPECT_EQ(tree.node_count(), kDepth + 1);
  EXPECT_EQ(stats_.total_bytes, tree.bytes());
  EXPECT_NE(tree.state_hash(), 0U);
  Tree other = tree;
  ASSERT_TRUE(remove(other, "/d/d/d"));
  EXPECT_EQ(other.node_count(), 3U);
}

TEST_F(TreeLarge, ManyVersionsOfALargeDirectoryShareIt) {
  constexpr std::size_t kDomains = 1'000;
  Tree tree = empty_tree();
  for (std::size_t i = 0; i < kDomains; ++i) ASSERT_TRUE(create(tree, "/" + std::to_string(i)));
  std::vector<Tree> versions;
  for (std::size_t i = 0; i < 300; ++i) {
    versions.push_back(tree);
    ASSERT_TRUE(remove(tree, "/" + std::to_string(i * 3)));
    ASSERT_TRUE(create(tree, "/new" + std::to_string(i)));
  }
  for (std::size_t i = 0; i < versions.size(); ++i) {
    ASSERT_EQ(versions[i].root().child_count(), kDomains);
    ASSERT_EQ(versions[i].find("/" + std::to_string(i * 3)) != nullptr, true);
    ASSERT_EQ(versions[i].find("/new" + std::to_string(i)), nullptr);
    if (i > 0) {
      ASSERT_EQ(versions[i].find("/" + std::to_string(i * 3 - 3)), nullptr);
      std::string names;
      versions[i].root().append_child_names(names, 0, 1 << 20);
      ASSERT_TRUE(names.ends_with("new" + std::to_string(i - 1) + '\0'));
    }
  }
  std::mt19937 random(3);
  std::ranges::shuffle(versions, random);
  versions.clear();
  EXPECT_EQ(stats_.total_bytes, tree.bytes());
}

}  // namespace
}  // namespace vxs::store::test
