// The reader on what the real history writer writes, with the model's trees and stock git as
// judges.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "store/history_reader/change_log.hh"
#include "store/history_reader/check.hh"
#include "store/history_reader/main_line.hh"
#include "store/history_reader/path_trace.hh"
#include "store/history_reader/requests.hh"
#include "store/history_reader/tree_view.hh"
#include "tests/store/history/history_fixture.hh"

namespace vxs::history_test {
namespace {

namespace reader = store::reader;

/// Path → value, permissions and children in creation order.
using Image = std::map<std::string, std::string>;

Image image_of_model(const store::Tree& tree) {
  Image image;
  tree.walk([&](std::string_view path, const store::Node& node) {
    const auto entries = node.perms()->entries();
    std::string text = std::string(node.value()) + '|' +
                       reader::format_perms({entries.begin(), entries.end()}) + '|';
    for (store::NodeCursor child(node); child; child.next())
      text += std::string(child->name()) + ' ';
    image[std::string(path)] = text;
    return true;
  });
  return image;
}

Image image_of_history(const reader::TreeView& tree) {
  Image image;
  std::vector<std::pair<std::string, reader::HistoryNode>> stack{{"/", **tree.find("/")}};
  while (!stack.empty()) {
    const auto [path, node] = stack.back();
    stack.pop_back();
    std::string text = *tree.value(node) + '|' + reader::format_perms(tree.meta(node)->perms) + '|';
    const auto children = tree.children_in_order(node);
    for (const auto& child : *children) {
      text += child.name + ' ';
      stack.emplace_back((path == "/" ? path : path + "/") + child.name, child.node);
    }
    image[path] = text;
  }
  return image;
}

class ReaderOfWriterTest : public HistoryFixture {
 protected:
  void write_random(int steps) {
    std::mt19937_64 random(7);
    for (int i = 0; i < steps; ++i) {
      scenario.random_step(random);
      if (keep_images) images[scenario.last_seq()] = image_of_model(scenario.tree());
      if (random() % 40 == 0) flush();
    }
    flush();
  }

  bool keep_images = false;
  std::map<Seq, Image> images;  ///< by Seq, if they are kept

  /// Ids of the commits stock git shows for a path, splits left out.
  std::vector<std::string> git_log(const std::string& git_path) {
    return lines(
        log("--full-history --no-merges --format=%H --invert-grep --grep='^Split: ' main -- '" +
            git_path + "'"));
  }
};

TEST_F(ReaderOfWriterTest, EveryMomentIsTheTreeOfTheModel) {
  keep_images = true;
  write_random(300);
  const auto opened = reader::Repository::open(repository);
  ASSERT_TRUE(opened) << opened.error().message;
  std::size_t compared = 0;
  for (const auto& [seq, image] : images) {
    reader::Moment moment;
    moment.kind = reader::Moment::Kind::kSeq;
    moment.seq = seq;
    const auto commit = reader::resolve_moment(*opened, moment);
    if (!commit) continue;  // before the first commit, or a conflict beyond the last
    const auto head = reader::read_commit_head(*opened, *commit);
    ASSERT_EQ(image_of_history(reader::TreeView(*opened, head->tree)), image) << seq;
    ++compared;
  }
  EXPECT_GT(compared, 280u);
}

TEST_F(ReaderOfWriterTest, TheLogOfAPathIsGitsFullHistoryAndWhatOnlyTouchesPermissions) {
  write_random(600);
  const auto opened = reader::Repository::open(repository);
  ASSERT_TRUE(opened);
  const auto head = opened->main_head();
  const auto tree = reader::read_commit_head(*opened, *head)->tree;
  std::set<std::string> paths;
  for (const auto& record : scenario.records()) {
    if (record.kind != OwnedRecord::Kind::kCommit) continue;
    for (const auto& change : record.changes) {
      if (change.path.starts_with('/') && paths.size() < 60) paths.insert(change.path);
    }
  }
  ASSERT_GT(paths.size(), 10u);
  std::size_t compared = 0;
  for (const std::string& path : paths) {
    if (path == "/") continue;
    const std::string git_path =
        reader::trace_path(*opened, reader::TracedPath(path), tree)->git_path;
    std::vector<std::string> ours;
    std::vector<std::string> by_content;
    const auto theirs = git_log(git_path);
    const auto done = reader::walk_log(*opened, *head, {path, {}, 0, {}}, [&](const auto& entry) {
      const std::string id = entry.commit.id.hex();
      ours.push_back(id);
      if (std::find(theirs.begin(), theirs.end(), id) != theirs.end()) {
        by_content.push_back(id);
        return true;
      }
      const auto requests = reader::requests_of(entry.commit).requests;
      EXPECT_TRUE(std::any_of(requests.begin(), requests.end(),
                              [&](const auto& each) { return each.path == path; }))
          << path << ' ' << entry.commit.subject;
      return true;
    });
    ASSERT_TRUE(done) << done.error().message;
    auto sorted_theirs = theirs;
    std::sort(sorted_theirs.begin(), sorted_theirs.end());
    std::sort(by_content.begin(), by_content.end());
    EXPECT_EQ(by_content, sorted_theirs) << path << " at " << git_path;
    EXPECT_EQ(std::set<std::string>(ours.begin(), ours.end()).size(), ours.size()) << path;
    compared += ours.size();
  }
  EXPECT_GT(compared, 100u);
}

TEST_F(ReaderOfWriterTest, FsckHasNothingAgainstIt) {
  write_random(500);
  const auto opened = reader::Repository::open(repository);
  ASSERT_TRUE(opened);
  const auto counts = reader::check_history(
      *opened, [](const reader::Finding& finding) { ADD_FAILURE() << finding.what; });
  EXPECT_GT(counts.commits, 300u);
  EXPECT_GT(counts.failed, 0u);
}

TEST_F(ReaderOfWriterTest, ADirectorySplitIntoBucketsKeepsTheLogOfItsChildren) {
  for (int i = 0; i < 520; ++i) scenario.write("/many/n" + std::to_string(i), "v");
  scenario.write("/many/n3", "again");
  flush();
  const auto opened = reader::Repository::open(repository);
  ASSERT_TRUE(opened);
  std::vector<Seq> seqs;
  const auto done = reader::walk_log(*opened, *opened->main_head(), {"/many/n3", {}, 0, {}},
                                     [&](const auto& entry) {
                                       seqs.push_back(entry.commit.seq());
                                       return true;
                                     });
  ASSERT_TRUE(done);
  EXPECT_EQ(seqs, (std::vector<Seq>{521, 4}));
  const reader::TreeView tree(*opened,
                              reader::read_commit_head(*opened, *opened->main_head())->tree);
  EXPECT_EQ(tree.children_in_order(**tree.find("/many"))->size(), 520u);
}

}  // namespace
}  // namespace vxs::history_test
