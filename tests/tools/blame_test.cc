#include "store/history_reader/blame.hh"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.hh"
#include "tests/tools/sample_history.hh"

namespace vxs::store::reader {
namespace {

TEST(BlameTest, NamesTheTransactionsOwnCommitForAMergedValue) {
  const support::TempDir dir;
  test::LayoutRepo writer(dir.path() + "/history.git");
  const test::SampleHistory history = test::write_sample_history(writer);
  const auto repository = Repository::open(writer.path());
  const auto nodes = blame(*repository, history.remove, "/local/domain/5/data");
  ASSERT_TRUE(nodes) << nodes.error().message;
  ASSERT_EQ(nodes->size(), 1u);
  EXPECT_EQ(nodes->front().value, "merged");
  EXPECT_EQ(nodes->front().value_by.commit.id, history.branch);
  EXPECT_EQ(nodes->front().value_by.merge, history.merge);
  EXPECT_EQ(nodes->front().perms_by.commit.id, history.domain);
}

TEST(BlameTest, FollowsALeafIntoItsDirectoryAndBucket) {
  const support::TempDir dir;
  test::LayoutRepo writer(dir.path() + "/history.git");
  const test::SampleHistory history = test::write_sample_history(writer);
  const auto repository = Repository::open(writer.path());
  const auto nodes = blame(*repository, history.merge, "/tool");
  ASSERT_TRUE(nodes) << nodes.error().message;
  ASSERT_EQ(nodes->size(), 5u);
  EXPECT_EQ((*nodes)[2].path, "/tool/example");
  EXPECT_EQ((*nodes)[2].value_by.commit.id, history.create);
  EXPECT_EQ((*nodes)[3].path, "/tool/example/child");
  EXPECT_EQ((*nodes)[3].value_by.commit.id, history.becomes_dir);
  EXPECT_EQ((*nodes)[3].perms_by.commit.id, history.perms);
  EXPECT_EQ((*nodes)[4].value_by.commit.id, history.beside);
}

TEST(BlameTest, AMissingNodeHasNobodyToBlame) {
  const support::TempDir dir;
  test::LayoutRepo writer(dir.path() + "/history.git");
  const test::SampleHistory history = test::write_sample_history(writer);
  const auto repository = Repository::open(writer.path());
  const auto nodes = blame(*repository, history.remove, "/tool/example");
  ASSERT_TRUE(nodes);
  EXPECT_TRUE(nodes->empty());
}

}  // namespace
}  // namespace vxs::store::reader
