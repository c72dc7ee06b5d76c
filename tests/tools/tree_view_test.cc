#include "store/history_reader/tree_view.hh"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/history_reader/main_line.hh"
#include "store/history_reader/tree_diff.hh"
#include "tests/support/temp_dir.hh"
#include "tests/tools/layout_repo.hh"
#include "tests/tools/sample_history.hh"

namespace vxs::store::reader {
namespace {

using testing::ElementsAre;

class TreeViewTest : public testing::Test {
 protected:
  TreeViewTest() : writer_(dir_.path() + "/history.git") {}

  void open() { repository_ = std::move(*Repository::open(writer_.path())); }

  std::vector<std::string> names(const TreeView& tree, std::string_view path) {
    const auto node = tree.find(path);
    const auto children = tree.children_in_order(**node);
    std::vector<std::string> all;
    for (const auto& child : *children) all.push_back(child.name);
    return all;
  }

  std::vector<std::string> changes(const ObjectId& from, const ObjectId& to,
                                   std::string_view path = "/") {
    std::vector<std::string> all;
    const auto done = diff_trees(TreeView(*repository_, from), TreeView(*repository_, to), path,
                                 [&](const NodeChange& change) {
                                   std::string text = change.path;
                                   if (change.created) text += " made";
                                   if (change.removed) text += " removed";
                                   if (change.below_removed) text += " with its parent";
                                   if (!change.created && !change.removed) {
                                     if (change.value_changed()) text += " value";
                                     if (change.perms_changed()) text += " perms";
                                   }
                                   all.push_back(text);
                                   return true;
                                 });
    EXPECT_TRUE(done) << done.error().message;
    return all;
  }

  support::TempDir dir_;
  test::LayoutRepo writer_;
  std::optional<Repository> repository_;
};

test::Model small_model() {
  test::Model model;
  model["/"] = {"", "n0", "1.0", true, false, false};
  model["/b"] = {"2", "n0", "2.0", false, false, false};
  model["/a"] = {"1", "r0,w5#3", "3.0", false, false, false};
  model["/d"] = {"own value", "n5", "4.0", true, false, false};
  model["/d/x"] = {"", "n5", "4.1", false, false, false};
  return model;
}

TEST_F(TreeViewTest, FindsValuesPermissionsAndCreationOrder) {
  const ObjectId root = writer_.write_tree(small_model());
  open();
  const TreeView tree(*repository_, root);
  EXPECT_EQ(*tree.value(**tree.find("/a")), "1");
  EXPECT_EQ(format_perms(tree.meta(**tree.find("/a"))->perms), "r0,w5#3");
  EXPECT_EQ(*tree.value(**tree.find("/d")), "own value");
  EXPECT_EQ(*tree.value(**tree.find("/d/x")), "");
  EXPECT_EQ(*tree.value(**tree.find("/")), "");
  EXPECT_EQ(format_perms(tree.meta(**tree.find("@releaseDomain"))->perms), "n0");
  EXPECT_FALSE(*tree.find("/c"));
  EXPECT_FALSE(*tree.find("/a/c"));
  EXPECT_FALSE(*tree.find("/d/x/y"));
  EXPECT_FALSE(*tree.find("@nothing"));
  EXPECT_THAT(names(tree, "/"), ElementsAre("b", "a", "d"));
}

TEST_F(TreeViewTest, ReadsEscapedValuesBucketsAndLongNames) {
  test::Model model = small_model();
  model["/d"].fanned = true;
  model["/d/1234"] = {"n\xff", "n0", "5.0", false, false, true};
  model["/d/dir"] = {"", "n0", "6.0", true, false, false};
  model["/d/dir/leaf"] = {"deep", "n0", "6.1", false, false, false};
  const std::string long_leaf(240, 'l');
  const std::string long_directory(240, 'd');
  model["/d/" + long_leaf] = {"", "n0", "7.0", false, false, false};
  model["/d/" + long_directory] = {"", "n0", "8.0", true, false, false};
  const ObjectId root = writer_.write_tree(model);
  open();
  const TreeView tree(*repository_, root);
  EXPECT_EQ(*tree.value(**tree.find("/d/1234")), "n\xff");
  EXPECT_EQ(*tree.value(**tree.find("/d/dir/leaf")), "deep");
  EXPECT_THAT(names(tree, "/d"), ElementsAre("x", "1234", "dir", long_leaf, long_directory));
}

TEST_F(TreeViewTest, TracesThePathOfWhatExistsAndOfWhatDoesNot) {
  test::Model model = small_model();
  model["/d"].fanned = true;
  const ObjectId root = writer_.write_tree(model);
  open();
  const auto git_path = [&](std::string_view path) {
    return trace_path(*repository_, TracedPath(path), root)->git_path;
  };
  EXPECT_EQ(git_path("/"), "");
  EXPECT_EQ(git_path("/a"), "a");
  EXPECT_EQ(git_path("/d/1234"), "d/~12xx/1234");
  EXPECT_EQ(git_path("/d/1234/more"), "d/~12xx/1234/more");
  EXPECT_EQ(git_path("/local/domain/5/data"), "local/domain/~0xx/5/data");
  EXPECT_EQ(git_path("/local/domain/5/backend/vif/123/0"),
            "local/domain/~0xx/5/backend/vif/~1xx/123/0");
  EXPECT_EQ(git_path("@releaseDomain"), ".special/releaseDomain");
}

TEST_F(TreeViewTest, DiffSaysWhatXenstoreSees) {
  test::Model before = small_model();
  test::Model after = before;
  after["/a"].value = "changed";
  after["/b"].perms = "n0,r7";
  after["/d"].value = "";
  after["/d/y"] = {"new", "n5", "9.0", false, false, false};
  after.erase("/d/x");
  const ObjectId from = writer_.write_tree(before);
  const ObjectId to = writer_.write_tree(after);
  open();
  EXPECT_THAT(changes(from, to),
              ElementsAre("/a value", "/b perms", "/d value", "/d/x removed", "/d/y made"));
  EXPECT_THAT(changes(from, to, "/d"), ElementsAre("/d value", "/d/x removed", "/d/y made"));
  EXPECT_THAT(changes(from, to, "/a"), ElementsAre("/a value"));
  EXPECT_THAT(changes(from, from), ElementsAre());
  EXPECT_THAT(changes(from, to, "/none"), ElementsAre());
}

TEST_F(TreeViewTest, DiffDoesNotShowBucketsNorALeafsMoveIntoADirectory) {
  test::Model before = small_model();
  test::Model after = before;
  after["/"].fanned = true;
  after["/a"].directory = true;
  const ObjectId from = writer_.write_tree(before);
  const ObjectId to = writer_.write_tree(after);
  open();
  EXPECT_THAT(changes(from, to), ElementsAre());
}

TEST_F(TreeViewTest, DiffShowsSubtreesThatComeAndGoAndNodesMadeAnew) {
  test::Model before = small_model();
  test::Model gone = before;
  gone.erase("/d");
  gone.erase("/d/x");
  test::Model anew = before;
  anew["/a"].created = "12.0";
  const ObjectId from = writer_.write_tree(before);
  const ObjectId without = writer_.write_tree(gone);
  const ObjectId again = writer_.write_tree(anew);
  open();
  EXPECT_THAT(changes(from, without), ElementsAre("/d removed", "/d/x removed with its parent"));
  EXPECT_THAT(changes(without, from), ElementsAre("/d made", "/d/x made"));
  EXPECT_THAT(changes(from, again), ElementsAre("/a made removed"));
  EXPECT_THAT(
      changes(ObjectId{}, without),
      ElementsAre("/ made", "/a made", "/b made", "@introduceDomain made", "@releaseDomain made"));
}

TEST_F(TreeViewTest, DamagedMetaIsAnErrorAndNoCrash) {
  const ObjectId blob = writer_.write_object(GIT_OBJECT_BLOB, "no newline");
  const ObjectId root =
      writer_.write_object(GIT_OBJECT_TREE, std::string("100644 a\0", 9) + std::string(blob.raw()));
  open();
  const TreeView tree(*repository_, root);
  const auto node = tree.find("/a");
  ASSERT_TRUE(node && *node);
  EXPECT_EQ(tree.meta(**node).error().kind, ReadError::Kind::kUnreadable);
  EXPECT_EQ(tree.value(**node).error().kind, ReadError::Kind::kUnreadable);
}

}  // namespace
}  // namespace vxs::store::reader
