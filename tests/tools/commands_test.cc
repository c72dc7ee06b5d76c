#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/tools/fixture.hh"

namespace vxs::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

using ShowTest = SampleTest;
using AtTest = SampleTest;
using DiffTest = SampleTest;
using BlameCommandTest = SampleTest;
using ConflictsTest = SampleTest;
using PathTest = SampleTest;

TEST_F(ShowTest, PrintsHeaderAndChangesOfASeqOrACommit) {
  const Outcome by_seq = vxs({"show", "3"});
  EXPECT_EQ(by_seq.exit_code, 0) << by_seq.err;
  EXPECT_THAT(by_seq.out, HasSubstr("commit " + history_.create.hex() + "\n"));
  EXPECT_THAT(by_seq.out, HasSubstr("Seq:            3\n"));
  EXPECT_THAT(by_seq.out, HasSubstr("    + /tool/example = hello (n0)\n"));
  EXPECT_EQ(vxs({"show", history_.create.hex()}).out, by_seq.out);
  EXPECT_EQ(vxs({"show", history_.create.hex().substr(0, 9)}).out, by_seq.out);
}

TEST_F(ShowTest, ShowsAMergeAsTheTransactionItBroughtIn) {
  const Outcome run = vxs({"show", "9"});
  EXPECT_THAT(run.out, HasSubstr("commit " + history_.branch.hex()));
  EXPECT_THAT(run.out, HasSubstr("Merged-By:      " + history_.merge.hex()));
  EXPECT_THAT(run.out, HasSubstr("→ merged\n"));
  EXPECT_THAT(run.out, Not(HasSubstr("/tool/other")));
}

TEST_F(ShowTest, ShowsAFailedTransactionWithItsCause) {
  const Outcome run = vxs({"show", "10"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("failed: DIRECTORY /tool was no longer true: dom0 made Seq 8"));
  EXPECT_THAT(run.out, HasSubstr("+ /tool/third = never"));
  const auto json = objects(vxs({"show", "10", "--json"}).out).at(0);
  EXPECT_EQ(json["conflicts_with"]["seq"], 8);
  EXPECT_EQ(json["conflicts_with"]["path"], "/tool");
}

TEST_F(ShowTest, ExitCodesForWhatIsNotThere) {
  EXPECT_EQ(vxs({"show", "2"}).exit_code, 1);
  EXPECT_EQ(vxs({"show", "1000"}).exit_code, 1);
  EXPECT_EQ(vxs({"show", "deadbeef"}).exit_code, 1);
  EXPECT_EQ(vxs({"show", "nonsense"}).exit_code, 2);
}

TEST_F(AtTest, ReadPrintsAsXenstoreReadDoes) {
  const Outcome run = vxs({"at", "5", "read", "/local/domain/5/data"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out, "a\\x1b[31mred\\000\\n\"\\\\\\xff\n");
}

TEST_F(AtTest, ReadRawPrintsExactlyTheBytes) {
  EXPECT_EQ(vxs({"at", "5", "read", "--raw", "/local/domain/5/data"}).out, kNastyValue);
  EXPECT_EQ(vxs({"at", "5", "read", "--raw", "/tool"}).out, "");
}

TEST_F(AtTest, KnowsEveryKindOfMoment) {
  const auto value = [&](const std::string& moment) {
    return vxs({"at", moment, "read", "/local/domain/5/data"}).out;
  };
  EXPECT_EQ(value("4"), "\n");
  EXPECT_EQ(value("10"), "merged\n");
  EXPECT_EQ(value("now"), "merged\n");
  EXPECT_EQ(value("2023-11-14T22:14:05"), "\n");
  EXPECT_EQ(value("@1700000040"), "\n");
  EXPECT_EQ(value(history_.domain.hex().substr(0, 10)), "\n");
  EXPECT_EQ(value(history_.branch.hex()), "merged\n");
  EXPECT_EQ(value("-5m"), "merged\n");  // an age does not look like an option
}

TEST_F(AtTest, ASeqWithoutACommitIsTheStateBeforeIt) {
  EXPECT_EQ(vxs({"at", "2", "read", "/tool/example"}).exit_code, 1);
  EXPECT_EQ(vxs({"at", "3", "read", "/tool/example"}).out, "hello\n");
}

TEST_F(AtTest, ListPrintsTheTreeInCreationOrder) {
  const Outcome run = vxs({"at", "8", "ls", "/tool"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out, "xenstored = \"\"\nexample = \"hello\"\n child = \"1\"\nother = \"x\"\n");
  EXPECT_THAT(vxs({"at", "8", "ls", "-p", "/tool/example"}).out,
              HasSubstr("child = \"1\"   (n0,r5#1)\n"));
}

TEST_F(AtTest, RelativePathsAreDomainZeros) {
  EXPECT_EQ(vxs({"at", "now", "read", "../5/data"}).exit_code, 2);
  EXPECT_EQ(vxs({"at", "now", "read", "name"}).exit_code, 1);
}

TEST_F(AtTest, JsonHasPathValueAndPermissions) {
  const auto all = objects(vxs({"at", "8", "ls", "/tool", "--json"}).out);
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[2]["path"], "/tool/example/child");
  EXPECT_EQ(all[2]["value"], "1");
  EXPECT_EQ(all[2]["permissions"], "n0,r5#1");
  const auto one = objects(vxs({"--json", "at", "5", "read", "/local/domain/5/data"}).out);
  EXPECT_EQ(one.at(0)["value_base64"], "YRtbMzFtcmVkAAoiXP8=");
}

TEST_F(AtTest, MomentsOutsideHistoryAreNotFound) {
  const Outcome early = vxs({"at", "2001-01-01", "ls", "/"});
  EXPECT_EQ(early.exit_code, 1);
  EXPECT_THAT(early.err, HasSubstr("history begins later, with Seq 1 at 2023-11-14 22:13:30"));
  const Outcome late = vxs({"at", "99", "ls", "/"});
  EXPECT_EQ(late.exit_code, 1);
  EXPECT_THAT(late.err, HasSubstr("history has not reached Seq 99"));
}

TEST_F(DiffTest, ShowsValuesNodesAndPermissionsInWords) {
  const Outcome run = vxs({"diff", "5", "9"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out,
            "    ~ /local/domain/5/data: \"a\\x1b[31mred\\0\\n\\\"\\\\\\xff\" → merged\n"
            "    + /tool/example/child = 1 (n0,r5#1)\n"
            "    + /tool/other = x (n0)\n");
  EXPECT_EQ(vxs({"diff", "6", "7"}).out,
            "    p /tool/example/child: dom5#1: none→read (n0 → n0,r5#1)\n");
  EXPECT_EQ(vxs({"diff", "7", "6", "/tool"}).out,
            "    p /tool/example/child: dom5#1: read→none (n0,r5#1 → n0)\n");
  EXPECT_EQ(vxs({"diff", "7", "7"}).out, "");
}

TEST_F(DiffTest, JsonHasOneObjectPerNode) {
  const auto all = objects(vxs({"diff", "6", "7", "--json"}).out);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0]["op"], "perms");
  EXPECT_EQ(all[0]["path"], "/tool/example/child");
  EXPECT_EQ(all[0]["permissions_change"], nlohmann::json({"dom5#1: none→read"}));
}

TEST_F(DiffTest, APathThatNeverWasIsNotFound) {
  EXPECT_EQ(vxs({"diff", "3", "9", "/no/such"}).exit_code, 1);
  EXPECT_EQ(vxs({"diff", "3", "9", "/no//such"}).exit_code, 2);
}

TEST_F(BlameCommandTest, PrintsWhoGaveEachNodeItsValueAndPermissions) {
  const Outcome run = vxs({"blame", "/local/domain/5/data"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out,
            "       9  2023-11-14 22:14:50  dom5     /local/domain/5/data = merged\n"
            "       4  2023-11-14 22:14:00  dom0     /local/domain/5/data permissions n5#1\n");
  const auto all = objects(vxs({"blame", "/local/domain/5/data", "--json"}).out);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0]["seq"], 9);
  EXPECT_EQ(all[0]["commit"], history_.branch.hex());
  EXPECT_EQ(all[0]["permissions_seq"], 4);
}

TEST_F(BlameCommandTest, ARemovedNodeIsNotFoundAndTheMessageSaysWhereToLook) {
  const Outcome run = vxs({"blame", "/tool/example"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("vxs log /tool/example"));
}

TEST_F(ConflictsTest, SaysWhoMadeWhichTransactionFailOnWhichPath) {
  const Outcome run = vxs({"conflicts"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("conflict dom5 transaction 8"));
  EXPECT_THAT(run.out, HasSubstr("DIRECTORY /tool was no longer true: dom0 made Seq 8: dom0 create "
                                 "/tool/other x\n"));
  EXPECT_THAT(run.out, HasSubstr("it began at Seq 7, connection 21\n"));
}

TEST_F(ConflictsTest, FiltersAndJson) {
  EXPECT_EQ(vxs({"conflicts", "--domain", "7"}).out, "");
  EXPECT_NE(vxs({"conflicts", "--domain", "0"}).out, "");
  EXPECT_NE(vxs({"conflicts", "--domain", "5"}).out, "");
  EXPECT_EQ(vxs({"conflicts", "--since", "10"}).out, "");
  EXPECT_EQ(vxs({"conflicts", "--since", "2023-11-14T22:15:01"}).out, "");
  const auto all = objects(vxs({"conflicts", "--json"}).out);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0]["seq"], 10);
  EXPECT_EQ(all[0]["domid"], 5);
  EXPECT_EQ(all[0]["transaction"], 8);
  EXPECT_EQ(all[0]["paths"], nlohmann::json({"/tool/third"}));
  EXPECT_EQ(
      all[0]["conflicts_with"],
      nlohmann::json({{"seq", 8}, {"domid", 0}, {"request", "DIRECTORY"}, {"path", "/tool"}}));
}

TEST_F(PathTest, PrintsTheGitPathForTheMoment) {
  EXPECT_EQ(vxs({"path", "/local/domain/5/data"}).out, "local/domain/~0xx/5/data\n");
  EXPECT_EQ(vxs({"path", "/tool/other"}).out.substr(0, 6), "tool/~");
  EXPECT_EQ(vxs({"path", "--at", "7", "/tool/xenstored"}).out, "tool/xenstored\n");
  EXPECT_EQ(vxs({"path", "@releaseDomain"}).out, ".special/releaseDomain\n");
}

TEST_F(PathTest, AMissingNodeHasAPathAndExitCodeOne) {
  const Outcome run = vxs({"path", "/local/domain/1234/name"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_EQ(run.out, "local/domain/~12xx/1234/name\n");
  const auto json = objects(vxs({"path", "/vm", "--json"}).out).at(0);
  EXPECT_EQ(json["exists"], false);
  EXPECT_EQ(vxs({"path", "bad path"}).exit_code, 2);
}

}  // namespace
}  // namespace vxs::test
