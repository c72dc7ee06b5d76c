#include "tools/vxs/graph.hh"

#include <gmock/gmock.h>

#include "tests/tools/fixture.hh"

namespace vxs::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(GraphTest, ABranchRunsFromItsMergeToItsBase) {
  tools::Graph graph;
  EXPECT_THAT(graph.close_branches(9), IsEmpty());
  EXPECT_EQ(graph.main_row(), "*");
  std::string above;
  EXPECT_EQ(graph.open_branch(7, above), "| *");
  EXPECT_EQ(above, "|-.");
  EXPECT_THAT(graph.close_branches(8), IsEmpty());
  EXPECT_EQ(graph.main_row(), "* |");
  EXPECT_THAT(graph.close_branches(7), ElementsAre("|-'"));
  EXPECT_EQ(graph.main_row(), "*");
}

TEST(GraphTest, ColumnsDoNotMoveAndCrossingsShow) {
  tools::Graph graph;
  std::string above;
  EXPECT_EQ(graph.open_branch(3, above), "| *");
  EXPECT_EQ(graph.open_branch(5, above), "| | *");
  EXPECT_EQ(above, "|-|-.");
  EXPECT_EQ(graph.open_failed(4), "| | | x");
  EXPECT_EQ(graph.plain_row(), "| | | |");
  EXPECT_THAT(graph.close_branches(5), ElementsAre("|-|-' |"));
  EXPECT_EQ(graph.main_row(), "* |   |");
  EXPECT_EQ(graph.open_branch(4, above), "| | * |");
  EXPECT_EQ(above, "|-|-. |");
  EXPECT_THAT(graph.close_branches(4), ElementsAre("|-|-|-'", "|-|-'"));
  EXPECT_THAT(graph.close_branches(3), ElementsAre("|-'"));
}

using LogGraphTest = SampleTest;

TEST_F(LogGraphTest, DrawsMergedAndFailedTransactionsBesideMain) {
  const Outcome run = vxs({"log", "--graph"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  std::vector<std::string> marks;
  for (const std::string& line : lines(run.out)) {
    marks.push_back(
        line.substr(0, line.find_last_not_of(' ', line.find_first_of("0123456789") - 1) + 1));
  }
  ASSERT_GE(marks.size(), 12u) << run.out;
  marks.resize(11);
  EXPECT_THAT(marks, ElementsAre("*", "| x", "* |", "|-|-.", "| | *", "* | |", "* | |       -",
                                 "|-|-'", "|-'", "*", "*"))
      << run.out;
}

}  // namespace
}  // namespace vxs::test
