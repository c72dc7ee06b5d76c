#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <filesystem>

#include "tests/tools/fixture.hh"

namespace vxs::test {
namespace {

using testing::HasSubstr;

class FsckTest : public SampleTest {
 protected:
  [[nodiscard]] std::string object_file(const store::ObjectId& id) const {
    const std::string hex = id.hex();
    return repository_.path() + "/objects/" + hex.substr(0, 2) + "/" + hex.substr(2);
  }
  /// A commit on top of main with these trailers.
  void commit_on_top(const store::ObjectId& tree, std::int64_t time, const std::string& trailers) {
    const auto commit = repository_.write_commit(tree, {history_.remove}, "dom0", time,
                                                 "dom0 write /x\n\n" + trailers);
    repository_.set_ref("refs/heads/main", commit);
  }
  store::ObjectId good_tree() {
    Model model;
    model["/"] = {"", "n0", "1.0", true, false, false};
    return repository_.write_tree(model);
  }
};

TEST_F(FsckTest, AGoodRepositoryHasNoFindings) {
  const Outcome run = vxs({"fsck"});
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.out, HasSubstr("11 commits, 1 failed transactions"));
  EXPECT_THAT(run.out, HasSubstr("no findings"));
  const auto summary = objects(vxs({"fsck", "--json"}).out).back();
  EXPECT_EQ(summary["part"], "summary");
  EXPECT_EQ(summary["findings"], 0);
}

TEST_F(FsckTest, AMissingObjectIsAFindingThatSaysWhatToDo) {
  std::filesystem::remove(object_file(history_.nasty));
  const Outcome run = vxs({"fsck", "--no-git"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.out, HasSubstr(history_.nasty.hex()));
  EXPECT_THAT(run.out, HasSubstr("what to do: fetch the object from a mirror"));
}

TEST_F(FsckTest, ADamagedObjectIsAFinding) {
  const std::string file = object_file(history_.nasty);
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  std::filesystem::copy_file(object_file(history_.create), file,
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(vxs({"fsck", "--no-git"}).exit_code, 1);
}

TEST_F(FsckTest, SeqsAndTimesMustRise) {
  commit_on_top(good_tree(), kFirstTime + 1000, "Seq: 11\n");
  EXPECT_THAT(vxs({"fsck", "--no-git"}).out, HasSubstr("has Seq 11, its parent"));
  commit_on_top(good_tree(), kFirstTime, "Seq: 12\n");
  EXPECT_THAT(vxs({"fsck", "--no-git"}).out, HasSubstr("is older than its parent"));
  commit_on_top(good_tree(), kFirstTime + 1000, "Boot: x\n");
  EXPECT_THAT(vxs({"fsck", "--no-git"}).out, HasSubstr("has no Seq"));
  commit_on_top(good_tree(), kFirstTime + 1000, "Seq: 12\n");
  EXPECT_EQ(vxs({"fsck", "--no-git"}).exit_code, 0);
}

TEST_F(FsckTest, ATreeAgainstTheLayoutIsAFinding) {
  const auto blob = repository_.write_object(GIT_OBJECT_BLOB, "no newline");
  const auto tree = repository_.write_object(
      GIT_OBJECT_TREE, std::string("100644 a\0", 9) + std::string(blob.raw()));
  commit_on_top(tree, kFirstTime + 1000, "Seq: 12\n");
  const Outcome run = vxs({"fsck", "--no-git", "--json"});
  EXPECT_EQ(run.exit_code, 1);
  const auto all = objects(run.out);
  ASSERT_EQ(all.size(), 4u) << run.out;
  EXPECT_THAT(all[0]["finding"], HasSubstr(".meta has no good line for ."));
  EXPECT_THAT(all[1]["finding"], HasSubstr(".meta has no good line for a"));
  EXPECT_THAT(all[2]["finding"], HasSubstr("does not end with a newline"));
  EXPECT_EQ(all[3]["findings"], 3);
}

TEST_F(FsckTest, AConflictRefWithAnotherNameIsAFinding) {
  repository_.set_ref("refs/conflicts/77", history_.failed);
  EXPECT_THAT(vxs({"fsck", "--no-git"}).out, HasSubstr("refs/conflicts/77 names commit"));
}

TEST_F(FsckTest, StockGitsFindingsAreFindings) {
  ASSERT_EQ(std::system("git --version >/dev/null"), 0) << "to get it: apt install git";
  // A zero-padded mode is a finding of git fsck --strict and none of ours.
  const auto blob = repository_.write_object(GIT_OBJECT_BLOB, "x\n");
  const auto inner = repository_.write_object(
      GIT_OBJECT_TREE, std::string("0100644 a\0", 10) + std::string(blob.raw()));
  const auto commit = repository_.write_commit(inner, {}, "x", kFirstTime, "x\n");
  repository_.set_ref("refs/heads/other", commit);
  EXPECT_EQ(vxs({"fsck", "--no-git"}).exit_code, 0);
  const Outcome run = vxs({"fsck"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.out, HasSubstr("git fsck: "));
}

}  // namespace
}  // namespace vxs::test
