// The tree's contract, function by function.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <thread>

#include "store/child_name.hh"
#include "store/tree_hash.hh"
#include "tree_model.hh"

namespace vxs::store::test {
namespace {

class TreeTest : public ::testing::Test {
 protected:
  TreeTest() : perms_(make_perms(0)), other_perms_(make_perms(5)) {}
  PermRef make_perms(DomId domid) {
    const std::array<protocol::PermEntry, 1> entries{{{domid, protocol::Access::kNone, 0}}};
    return table_.intern(entries);
  }
  bool create(std::string_view path, std::string_view value = "", Seq seq = 1) {
    return tree_.apply({ChangeKind::kCreate, false, path, value, perms_}, seq);
  }
  bool write(Tree& tree, std::string_view path, std::string_view value, Seq seq = 1) {
    return tree.apply({ChangeKind::kWrite, false, path, value, {}}, seq);
  }
  bool remove(Tree& tree, std::string_view path, Seq seq = 1) {
    return tree.apply({ChangeKind::kRemove, false, path, {}, {}}, seq);
  }

  PermTable table_;
  PermRef perms_;
  PermRef other_perms_;
  TreeStats stats_;
  Tree tree_{stats_, perms_, perms_, other_perms_};
};

TEST_F(TreeTest, C7_BeginsWithTheRootAndTwoHiddenSpecialNodes) {
  EXPECT_EQ(tree_.node_count(), 1U);
  EXPECT_EQ(tree_.find("/"), &tree_.root());
  EXPECT_EQ(tree_.root().name(), "");
  EXPECT_EQ(tree_.root().child_count(), 0U);
  ASSERT_NE(tree_.find("@releaseDomain"), nullptr);
  EXPECT_EQ(tree_.find("@releaseDomain")->perms(), other_perms_);
  EXPECT_EQ(tree_.find("@introduceDomain")->perms(), perms_);
  EXPECT_EQ(tree_.root().find_child("@releaseDomain"), nullptr);
}

TEST_F(TreeTest, LookupTellsTheDeepestAncestor) {
  ASSERT_TRUE(create("/a"));
  ASSERT_TRUE(create("/a/bc"));
  const auto expect = [this](std::string_view path, std::string_view ancestor, bool found,
                             std::size_t length) {
    const Tree::Lookup lookup = tree_.lookup(path);
    EXPECT_EQ(lookup.node != nullptr, found) << path;
    EXPECT_EQ(lookup.ancestor, tree_.find(ancestor)) << path;
    EXPECT_EQ(lookup.ancestor_length, length) << path;
  };
  expect("/", "/", true, 1);
  expect("/a/bc", "/a/bc", true, 5);
  expect("/a/bc/d/e", "/a/bc", false, 5);
  expect("/a/b", "/a", false, 2);
  expect("/a/bcd", "/a", false, 2);
  expect("/b/bc", "/", false, 1);
  expect("@releaseDomain", "@releaseDomain", true, 14);
  expect("@foo", "/", false, 0);  // D19
  expect("", "/", false, 0);
  expect("a", "/", false, 0);
  expect("/a/", "/a", false, 2);
  expect("//a", "/", false, 1);
}

TEST_F(TreeTest, FindChildTakesOneNameOnly) {
  ASSERT_TRUE(create("/a"));
  ASSERT_TRUE(create("/a/b"));
  EXPECT_NE(tree_.root().find_child("a"), nullptr);
  EXPECT_EQ(tree_.root().find_child("a/b"), nullptr);
  EXPECT_EQ(tree_.root().find_child("a/"), nullptr);
  EXPECT_EQ(tree_.root().find_child(""), nullptr);
}

TEST_F(TreeTest, NamesOfEveryLengthAreToldApart) {
  // Lengths around the word size, names that differ in one byte only, bytes above 127.
  std::vector<std::string> names;
  for (std::size_t size = 1; size <= 40; ++size) {
    std::string name(size, 'a');
    names.push_back(name);
    name.back() = 'b';
    names.push_back(name);
    name.back() = '\xAF';  // '/' with the high bit
    names.push_back(name);
    name.back() = '.';  // the byte before '/'
    names.push_back(name);
    name.back() = '0';  // the byte after it
    names.push_back(name);
  }
  ASSERT_TRUE(create("/dir"));
  for (const std::string& name : names) {
    ASSERT_TRUE(create("/" + name)) << name;
    ASSERT_TRUE(create("/" + name + "/x", name)) << name;
    ASSERT_TRUE(create("/dir/" + name)) << name;
  }
  for (const std::string& name : names) {
    const std::string path = "/" + name + "/x";
    ASSERT_NE(tree_.find(path), nullptr) << name;
    EXPECT_EQ(tree_.find(path)->value(), name);
    // Whatever follows in memory, the view's end counts.
    const std::string longer = path + "tail/more";
    EXPECT_EQ(tree_.find(std::string_view(longer).substr(0, path.size())), tree_.find(path));
  }
}

TEST_F(TreeTest, ScanHashesAComponentAsTheNameAlone) {
  const std::string path = "/local/domain/12345/a-long-component-name/x/eight888/end";
  std::size_t from = 1;
  while (from < path.size()) {
    const std::size_t end = std::min(path.find('/', from), path.size());
    const ChildName scanned = ChildName::scan(path, from);
    const std::string alone = path.substr(from, end - from);
    const ChildName whole = ChildName::whole(alone);
    EXPECT_EQ(scanned.view(), alone);
    EXPECT_EQ(scanned.hash, whole.hash);
    EXPECT_EQ(scanned.first_word, whole.first_word);
    from = end + 1;
  }
}

TEST_F(TreeTest, GenerationsAreTheNodesAndTheParentsWhoseChildSetChanges) {
  ASSERT_TRUE(create("/a", "", 5));
  ASSERT_TRUE(create("/a/b", "", 6));
  EXPECT_EQ(tree_.root().generation(), 5U);
  EXPECT_EQ(tree_.find("/a")->generation(), 6U);
  ASSERT_TRUE(write(tree_, "/a/b", "x", 7));
  EXPECT_EQ(tree_.find("/a")->generation(), 6U);
  EXPECT_EQ(tree_.find("/a/b")->generation(), 7U);
  ASSERT_TRUE(tree_.apply({ChangeKind::kSetPerms, false, "/a", {}, other_perms_}, 8));
  EXPECT_EQ(tree_.find("/a")->generation(), 8U);
  ASSERT_TRUE(remove(tree_, "/a/b", 9));
  EXPECT_EQ(tree_.find("/a")->generation(), 9U);
  EXPECT_EQ(tree_.root().generation(), 5U);
}

TEST_F(TreeTest, ChangesThatDoNotFitAreRefusedAndLeaveTheVersion) {
  ASSERT_TRUE(create("/a"));
  const Tree before = tree_;
  EXPECT_FALSE(create("/a"));
  EXPECT_FALSE(create("/"));
  EXPECT_FALSE(create("/no/child"));
  EXPECT_FALSE(create("/a/"));
  EXPECT_FALSE(create("//a"));
  EXPECT_FALSE(create("//"));
  EXPECT_FALSE(create("a"));
  EXPECT_FALSE(create("@new"));
  EXPECT_FALSE(create("@releaseDomain"));
  EXPECT_FALSE(create("/" + std::string(kMaxNameBytes + 1, 'x')));
  EXPECT_FALSE(create("/x", std::string(kMaxValueBytes + 1, 'x')));
  EXPECT_FALSE(write(tree_, "/b", "x"));
  EXPECT_FALSE(write(tree_, "@releaseDomain", "x"));
  EXPECT_FALSE(remove(tree_, "/"));
  EXPECT_FALSE(remove(tree_, "/b"));
  EXPECT_FALSE(remove(tree_, "@releaseDomain"));
  EXPECT_FALSE(tree_.apply({ChangeKind::kSetPerms, false, "/a", {}, {}}, 1));
  EXPECT_FALSE(tree_.apply({ChangeKind::kSetPerms, false, "/b", {}, perms_}, 1));
  EXPECT_FALSE(tree_.apply({static_cast<ChangeKind>(9), false, "/a", {}, perms_}, 1));
  EXPECT_TRUE(tree_.same_version(before));
  EXPECT_TRUE(create("/" + std::string(kMaxNameBytes, 'x'), std::string(kMaxValueBytes, 'v')));
  EXPECT_FALSE(tree_.same_version(before));
}

TEST_F(TreeTest, RunLengthIsThatOfAChainOfNewNodesEachTheParentOfTheNext) {
  using K = ChangeKind;
  const auto length = [this](const std::vector<std::pair<K, std::string>>& steps) {
    std::vector<Change> changes;
    for (const auto& [kind, path] : steps) changes.push_back({kind, false, path, "", perms_});
    return run_length(changes);
  };
  EXPECT_EQ(length({}), 0U);
  EXPECT_EQ(length({{K::kWrite, "/a"}, {K::kCreate, "/a/b"}}), 1U);
  EXPECT_EQ(length({{K::kCreate, "/a"}, {K::kCreate, "/a/b"}, {K::kCreate, "/a/b/c"}}), 3U);
  EXPECT_EQ(length({{K::kCreate, "/a"}, {K::kCreate, "/a/b"}, {K::kWrite, "/a/b/c"}}), 2U);
  EXPECT_EQ(length({{K::kCreate, "/a"}, {K::kCreate, "/a/b"}, {K::kCreate, "/a/c"}}), 2U);
  for (const char* next : {"/ab", "/b/c", "/a", "/a/", "/a/b/c", "/", "", "@a"}) {
    EXPECT_EQ(length({{K::kCreate, "/a"}, {K::kCreate, next}}), 1U) << next;
  }
  EXPECT_EQ(length({{K::kCreate, "/"}, {K::kCreate, "/a"}}), 1U);
}

TEST_F(TreeTest, ARunThatDoesNotFitChangesNothing) {
  ASSERT_TRUE(create("/a"));
  const Tree before = tree_;
  const auto run = [this](std::string_view top, std::string_view name, std::string_view value,
                          const PermRef& perms) {
    const std::string middle = std::string(top) + "/m";
    const std::string last = middle + "/" + std::string(name);
    const std::array<Change, 3> changes{{{ChangeKind::kCreate, true, top, "", perms_},
                                         {ChangeKind::kCreate, true, middle, "", perms_},
                                         {ChangeKind::kCreate, false, last, value, perms}}};
    EXPECT_EQ(run_length(changes), changes.size());
    return tree_.apply_run(changes, 5);
  };
  EXPECT_FALSE(run("/a", "x", "", perms_)) << "it exists";
  EXPECT_FALSE(run("/no/parent", "x", "", perms_));
  EXPECT_FALSE(run("relative", "x", "", perms_));
  EXPECT_FALSE(run("//b", "x", "", perms_));
  EXPECT_FALSE(run("@b", "x", "", perms_));
  EXPECT_FALSE(run("", "x", "", perms_));
  EXPECT_FALSE(run("/b", std::string(kMaxNameBytes + 1, 'x'), "", perms_));
  EXPECT_FALSE(run("/b", "x", std::string(kMaxValueBytes + 1, 'x'), perms_));
  EXPECT_FALSE(run("/b", "x", "", {}));
  EXPECT_TRUE(tree_.same_version(before));
  EXPECT_EQ(tree_.node_count(), 2U);
  EXPECT_TRUE(run("/b", "x", "v", perms_));
  EXPECT_FALSE(tree_.same_version(before));
  EXPECT_EQ(tree_.find("/b/m/x")->value(), "v");
}

TEST_F(TreeTest, WritingInPlaceEqualsWritingACopy) {
  ASSERT_TRUE(create("/a"));
  ASSERT_TRUE(create("/a/b", "old"));
  Tree copied = tree_;
  const Tree keep = tree_;
  for (const std::size_t size : {0UL, 3UL, 100UL, 4096UL, 20UL, 1UL, 0UL}) {
    const std::string value(size, 'v');
    const Tree pin = copied;
    ASSERT_TRUE(write(tree_, "/a/b", value, size));
    ASSERT_TRUE(write(copied, "/a/b", value, size));
    EXPECT_EQ(copied.find("/a/b")->value(), value);
    EXPECT_EQ(tree_.find("/a/b")->value(), value);
    EXPECT_EQ(tree_.state_hash(), copied.state_hash());
    EXPECT_EQ(keep.find("/a/b")->value(), "old");
  }
}

TEST_F(TreeTest, UnsharedWritesStayWhereTheyAre) {
  ASSERT_TRUE(create("/a"));
  ASSERT_TRUE(create("/a/b", "old"));
  const Node* root = &tree_.root();
  const Node* node = tree_.find("/a/b");
  const std::size_t bytes = stats_.total_bytes;
  ASSERT_TRUE(write(tree_, "/a/b", "new"));
  EXPECT_EQ(&tree_.root(), root);
  EXPECT_EQ(tree_.find("/a/b"), node);
  EXPECT_EQ(stats_.total_bytes, bytes);
}

TEST_F(TreeTest, ABigValueDoesNotKeepItsMemoryWhenASmallOneFollows) {
  ASSERT_TRUE(create("/a"));
  const std::size_t bytes = tree_.bytes();
  ASSERT_TRUE(write(tree_, "/a", std::string(4'000, 'x')));
  EXPECT_GT(tree_.bytes(), bytes + 3'900);
  ASSERT_TRUE(write(tree_, "/a", "x"));
  EXPECT_LE(tree_.bytes(), bytes + 64);
  EXPECT_EQ(tree_.bytes(), stats_.total_bytes);
}

TEST_F(TreeTest, AValueMayBeWrittenOverItselfFromTheTree) {
  ASSERT_TRUE(create("/a", "0123456789"));
  ASSERT_TRUE(write(tree_, "/a", tree_.find("/a")->value().substr(2)));
  EXPECT_EQ(tree_.find("/a")->value(), "23456789");
  const Tree pin = tree_;
  ASSERT_TRUE(write(tree_, "/a", tree_.find("/a")->value().substr(2)));
  EXPECT_EQ(tree_.find("/a")->value(), "456789");
}

TEST_F(TreeTest, SpecialNodesArePartOfTheVersion) {
  const Tree before = tree_;
  ASSERT_TRUE(tree_.apply({ChangeKind::kSetPerms, false, "@releaseDomain", {}, perms_}, 4));
  EXPECT_FALSE(tree_.same_version(before));
  EXPECT_EQ(before.find("@releaseDomain")->perms(), other_perms_);
  EXPECT_EQ(tree_.find("@releaseDomain")->perms(), perms_);
  EXPECT_EQ(tree_.find("@releaseDomain")->generation(), 4U);
  EXPECT_NE(tree_.state_hash(), before.state_hash());
}

TEST_F(TreeTest, WalkIsPreOrderInCreationOrderAndStopsWhenTold) {
  for (const char* path : {"/b", "/a", "/b/y", "/a/z", "/b/x", "/c"}) ASSERT_TRUE(create(path));
  std::string seen;
  tree_.walk([&seen](std::string_view path, const Node&) {
    seen.append(path).append(" ");
    return true;
  });
  EXPECT_EQ(seen, "/ /b /b/y /b/x /a /a/z /c ");
  seen.clear();
  tree_.walk([&seen](std::string_view path, const Node&) {
    seen.append(path).append(" ");
    return path != "/b/y";
  });
  EXPECT_EQ(seen, "/ /b /b/y ");
  seen.clear();
  const auto visit = [&seen](std::string_view path, const Node& node) {
    seen.append(path).append("=").append(node.name()).append(" ");
    return true;
  };
  tree_.walk_from("/b", visit);
  tree_.walk_from("/none", visit);
  tree_.walk_from("@releaseDomain", visit);
  EXPECT_EQ(seen, "/b=b /b/y=y /b/x=x @releaseDomain=@releaseDomain ");
}

TEST_F(TreeTest, StateHashSeesEverything) {
  std::vector<std::uint64_t> hashes{tree_.state_hash()};
  const auto differs = [this, &hashes] {
    const std::uint64_t hash = tree_.state_hash();
    EXPECT_EQ(std::ranges::count(hashes, hash), 0) << hashes.size();
    hashes.push_back(hash);
  };
  ASSERT_TRUE(create("/a", "v", 1)), differs();
  ASSERT_TRUE(create("/b", "v", 1)), differs();
  ASSERT_TRUE(write(tree_, "/a", "w", 1)), differs();
  ASSERT_TRUE(write(tree_, "/a", "w", 2)), differs();
  ASSERT_TRUE(tree_.apply({ChangeKind::kSetPerms, false, "/a", {}, other_perms_}, 2)), differs();
  ASSERT_TRUE(create("/a/c", "", 2)), differs();
  // The children's order alone.
  ASSERT_TRUE(remove(tree_, "/b", 3)), differs();
  ASSERT_TRUE(create("/b", "v", 3)), differs();
  const std::uint64_t order = tree_.state_hash();
  ASSERT_TRUE(remove(tree_, "/a/c", 2));
  ASSERT_TRUE(remove(tree_, "/a", 3));
  ASSERT_TRUE(create("/a", "w", 2));
  ASSERT_TRUE(tree_.apply({ChangeKind::kSetPerms, false, "/a", {}, other_perms_}, 2));
  ASSERT_TRUE(create("/a/c", "", 2));
  ASSERT_TRUE(remove(tree_, "/b", 3));
  ASSERT_TRUE(create("/b", "v", 3));
  EXPECT_EQ(tree_.state_hash(), order);
}

TEST_F(TreeTest, StateHashFromThatOfAnotherVersionIsTheSame) {
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(create("/n" + std::to_string(i), "v", 1));
  ASSERT_TRUE(create("/n7/below", "v", 2));
  std::vector<Tree> versions{tree_};
  const auto add = [&] { versions.push_back(tree_); };
  ASSERT_TRUE(write(tree_, "/n7/below", "w", 3)), add();
  ASSERT_TRUE(remove(tree_, "/n7", 4)), add();
  ASSERT_TRUE(create("/n7", "v", 5)), add();
  ASSERT_TRUE(create("/n7/other", "v", 6)), add();
  ASSERT_TRUE(remove(tree_, "/n0", 7)), add();  // all that follow move up
  ASSERT_TRUE(tree_.apply({ChangeKind::kSetPerms, false, "@releaseDomain", {}, other_perms_}, 8)),
      add();
  for (const Tree& base : versions) {
    for (const Tree& later : versions) {
      EXPECT_EQ(state_hash_from(later, base, base.state_hash()), later.state_hash());
    }
  }
}

TEST_F(TreeTest, StateHashComparesPermissionsByContentAcrossTables) {
  PermTable other_table;
  TreeStats stats;
  const auto intern = [&other_table](const PermRef& perms) {
    return other_table.intern(perms->entries());
  };
  const Tree other(stats, intern(perms_), intern(perms_), intern(other_perms_));
  EXPECT_EQ(tree_.state_hash(), other.state_hash());
}

TEST_F(TreeTest, LoadInAnyOrderOfParentsFirstAndAmongChangesAndCopies) {
  ASSERT_TRUE(tree_.load("/", "root", other_perms_, 3));
  ASSERT_TRUE(tree_.load("@introduceDomain", "", other_perms_, 4));
  EXPECT_FALSE(tree_.load("@other", "", perms_, 4));
  ASSERT_TRUE(tree_.load("/a", "1", perms_, 5));
  ASSERT_TRUE(tree_.load("/b", "2", perms_, 6));
  ASSERT_TRUE(tree_.load("/a/x", "3", perms_, 7));
  EXPECT_FALSE(tree_.load("/a/x", "3", perms_, 7));
  EXPECT_FALSE(tree_.load("/none/x", "3", perms_, 7));
  EXPECT_FALSE(tree_.load("//x", "3", perms_, 7));
  EXPECT_FALSE(tree_.load("/a/", "3", perms_, 7));
  EXPECT_FALSE(tree_.load("/a/y", "3", {}, 7));
  ASSERT_TRUE(tree_.load("/a/x/y", "4", perms_, 8));
  const Tree snapshot = tree_;  // now the cursor's nodes are shared
  ASSERT_TRUE(tree_.load("/a/x/y/z", "5", perms_, 9));
  EXPECT_EQ(snapshot.find("/a/x/y/z"), nullptr);
  ASSERT_TRUE(remove(tree_, "/a/x/y", 10));
  EXPECT_FALSE(tree_.load("/a/x/y/w", "", perms_, 11));
  ASSERT_TRUE(tree_.load("/a/x/w", "", perms_, 11));
  EXPECT_EQ(tree_.root().value(), "root");
  EXPECT_EQ(tree_.root().generation(), 3U);
  EXPECT_EQ(tree_.find("@introduceDomain")->generation(), 4U);
  EXPECT_EQ(tree_.find("/a")->generation(), 5U);
  EXPECT_EQ(tree_.find("/a/x")->generation(), 10U);
  EXPECT_EQ(tree_.node_count(), 5U);
}

TEST_F(TreeTest, HandlesMoveAndAssign) {
  ASSERT_TRUE(create("/a"));
  Tree copy(tree_);
  ASSERT_TRUE(write(copy, "/a", "x"));
  Tree moved(std::move(copy));
  EXPECT_EQ(moved.find("/a")->value(), "x");
  copy = moved;
  EXPECT_TRUE(copy.same_version(moved));
  moved = tree_;
  EXPECT_TRUE(moved.same_version(tree_));
  EXPECT_EQ(copy.find("/a")->value(), "x");
  const Tree& self = copy;
  copy = self;
  EXPECT_EQ(copy.find("/a")->value(), "x");
}

TEST_F(TreeTest, AnotherThreadReadsASnapshotWhileTheOwnerChangesTheHead) {
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(create("/" + std::to_string(i), "value"));
  const Tree snapshot = tree_;
  const std::uint64_t hash = snapshot.state_hash();
  std::thread reader([&snapshot, hash] {
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(snapshot.state_hash(), hash);
      std::string names;
      EXPECT_TRUE(snapshot.root().append_child_names(names, 0, 1 << 20));
      EXPECT_NE(snapshot.find("/77"), nullptr);
    }
  });
  for (int i = 0; i < 200; ++i) {
    const Tree pin = tree_;
    EXPECT_TRUE(write(tree_, "/" + std::to_string(i), "changed"));
    EXPECT_TRUE(create("/new" + std::to_string(i)));
    EXPECT_TRUE(remove(tree_, "/" + std::to_string(i)));
  }
  reader.join();
}

TEST(PermTable, KeepsEachListOnceAndForgetsItWithTheLastReference) {
  PermTable table;
  const std::size_t empty = table.bytes();
  using protocol::Access;
  using protocol::PermEntry;
  const std::vector<PermEntry> list{{0, Access::kNone, 0}, {5, Access::kRead, 9}};
  {
    const PermRef a = table.intern(list);
    PermRef b = table.intern(list);
    EXPECT_EQ(a, b);
    EXPECT_EQ(table.size(), 1U);
    for (const std::vector<PermEntry>& other : {std::vector<PermEntry>{{0, Access::kNone, 0}},
                                                {{0, Access::kNone, 1}},
                                                {{0, Access::kRead, 0}},
                                                {{5, Access::kRead, 9}, {0, Access::kNone, 0}}}) {
      EXPECT_FALSE(table.intern(other) == a);
    }
    EXPECT_EQ(table.size(), 1U);
    b = table.intern(std::vector<PermEntry>{{1, Access::kBoth, 0}});
    EXPECT_EQ(b->owner(), 1U);
    EXPECT_EQ(table.size(), 2U);
    EXPECT_GT(table.bytes(), empty);
  }
  EXPECT_EQ(table.size(), 0U);
  EXPECT_EQ(table.bytes(), empty);
}

TEST(PermTable, GrowsWithItsLists) {
  PermTable table;
  std::vector<PermRef> refs;
  for (unsigned i = 0; i < 10'000; ++i) {
    const std::array<protocol::PermEntry, 1> list{
        {{static_cast<DomId>(i), protocol::Access::kNone, i % 3}}};
    refs.push_back(table.intern(list));
  }
  EXPECT_EQ(table.size(), 10'000U);
  for (unsigned i = 0; i < 10'000; i += 7) {
    const std::array<protocol::PermEntry, 1> list{
        {{static_cast<DomId>(i), protocol::Access::kNone, i % 3}}};
    EXPECT_EQ(table.intern(list), refs[i]);
  }
}

}  // namespace
}  // namespace vxs::store::test
