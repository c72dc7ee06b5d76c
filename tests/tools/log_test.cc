#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/tools/fixture.hh"

namespace vxs::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

using LogTest = SampleTest;

TEST_F(LogTest, PrintsOneLineForEachOrdinaryCommitNewestFirst) {
  const Outcome run = vxs({"log"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(seqs(run.out), ElementsAre("11", "9", "8", "-", "7", "6", "5", "4", "3", "1"));
  EXPECT_EQ(lines(run.out)[0], "      11  2023-11-14 22:15:10  " +
                                   history_.remove.hex().substr(0, 10) + "  dom0 rm /tool/example");
}

TEST_F(LogTest, ShowsAMergedTransactionAsItsOwnCommit) {
  const Outcome run = vxs({"log"});
  EXPECT_THAT(run.out, HasSubstr(history_.branch.hex().substr(0, 10)));
  EXPECT_THAT(run.out, Not(HasSubstr("merge dom5")));
}

TEST_F(LogTest, FollowsALeafThatBecomesADirectoryAndMovesIntoABucket) {
  const Outcome run = vxs({"log", "/tool/example"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(seqs(run.out), ElementsAre("11", "7", "6", "3"));
  EXPECT_THAT(seqs(vxs({"log", "/tool/example/child"}).out), ElementsAre("11", "7", "6"));
  EXPECT_THAT(seqs(vxs({"log", "/tool/xenstored"}).out), ElementsAre("1"));
}

TEST_F(LogTest, ShowsBothSidesOfAMergeAtAPath) {
  EXPECT_THAT(seqs(vxs({"log", "/local/domain/5/data"}).out), ElementsAre("9", "5", "4"));
  EXPECT_THAT(seqs(vxs({"log", "/tool/other"}).out), ElementsAre("8"));
}

TEST_F(LogTest, FindsALongNameByItsXenstorePath) {
  EXPECT_THAT(seqs(vxs({"log", "/local/domain/5/" + kLongName}).out), ElementsAre("4"));
}

TEST_F(LogTest, PathOfAChangeOfPermissionsOnly) {
  const Outcome run = vxs({"log", "-p", "-n", "2", "/tool/example/child"});
  EXPECT_THAT(run.out, HasSubstr("    p /tool/example/child: dom5#1: none→read (n0 → n0,r5#1)\n"));
  EXPECT_THAT(run.out, HasSubstr("    - /tool/example/child = 1\n"));
}

TEST_F(LogTest, FiltersByDomainTimeSeqAndCount) {
  EXPECT_THAT(seqs(vxs({"log", "--domain", "5"}).out), ElementsAre("9", "5"));
  EXPECT_THAT(seqs(vxs({"log", "--since", "8"}).out), ElementsAre("11", "9"));
  EXPECT_THAT(seqs(vxs({"log", "--since", "2023-11-14T22:14:50"}).out), ElementsAre("11", "9"));
  EXPECT_THAT(seqs(vxs({"log", "--since", history_.beside.hex().substr(0, 12)}).out),
              ElementsAre("11", "9"));
  EXPECT_THAT(seqs(vxs({"log", "-n", "1"}).out), ElementsAre("11"));
  EXPECT_THAT(seqs(vxs({"log", "/tool", "--domain", "0", "--limit", "2"}).out),
              ElementsAre("11", "8"));
}

TEST_F(LogTest, NothingFoundIsExitCodeOne) {
  const Outcome run = vxs({"log", "/no/such/path"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_EQ(run.out, "");
  EXPECT_THAT(run.err, HasSubstr("no commit matches at /no/such/path"));
  EXPECT_EQ(vxs({"log", "--domain", "99"}).exit_code, 1);
}

TEST_F(LogTest, JsonHasEveryKeyOfTheContract) {
  const auto all = objects(vxs({"log", "--json"}).out);
  ASSERT_EQ(all.size(), 10u);
  for (const auto& object : all) {
    for (const char* key : {"seq", "commit", "time", "domid", "connection", "op", "paths",
                            "transaction", "conflicts_with"}) {
      EXPECT_TRUE(object.contains(key)) << key << " in " << object;
    }
  }
  const auto& merged = all[1];
  EXPECT_EQ(merged["seq"], 9);
  EXPECT_EQ(merged["commit"], history_.branch.hex());
  EXPECT_EQ(merged["merge"], history_.merge.hex());
  EXPECT_EQ(merged["time"], "2023-11-14T22:14:50.000000Z");
  EXPECT_EQ(merged["domid"], 5);
  EXPECT_EQ(merged["connection"], 21);
  EXPECT_EQ(merged["op"], "write");
  EXPECT_EQ(merged["paths"], nlohmann::json({"/local/domain/5/data"}));
  EXPECT_EQ(merged["transaction"], 7);
  EXPECT_EQ(merged["conflicts_with"], nullptr);
  EXPECT_EQ(all[3]["op"], "split");
  EXPECT_EQ(all[3]["seq"], nullptr);
  EXPECT_EQ(all[9]["domid"], nullptr);
  EXPECT_EQ(all[0]["peer"], "pid=812 uid=0 command=xenstore-write");
}

TEST_F(LogTest, JsonListsAllPathsEvenWhereTheCommitDoesNot) {
  const auto all = objects(vxs({"log", "--json", "--since", "3", "-n", "9"}).out);
  const auto& domain = all.back();
  EXPECT_EQ(domain["seq"], 4);
  EXPECT_EQ(domain["paths"],
            nlohmann::json({"/local", "/local/domain", "/local/domain/5", "/local/domain/5/data",
                            "/local/domain/5/" + kLongName}));
}

TEST_F(LogTest, JsonWithPatchHoldsValuesWithoutLoss) {
  const auto all =
      objects(vxs({"log", "--json", "-p", "/local/domain/5/data", "--since", "4"}).out);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]["changes"][0]["new_value"], "merged");
  EXPECT_EQ(all[1]["changes"][0]["new_value_base64"], "YRtbMzFtcmVkAAoiXP8=");
  EXPECT_EQ(all[1]["changes"][0]["old_value"], "");
}

TEST_F(LogTest, NoByteOfAGuestReachesTheOutputRaw) {
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{"log", "-p"},
                                             {"log", "-p", "--json"},
                                             {"log", "-p", "--graph"},
                                             {"show", "5"},
                                             {"at", "5", "ls", "/"},
                                             {"at", "5", "read", "/local/domain/5/data"},
                                             {"diff", "3", "9"},
                                             {"blame", "/"},
                                             {"conflicts"}}) {
    const Outcome run = vxs(arguments);
    EXPECT_EQ(run.exit_code, 0) << arguments[0] << run.err;
    EXPECT_EQ(run.out.find('\x1b'), std::string::npos) << arguments[0];
    EXPECT_EQ(run.out.find('\0'), std::string::npos) << arguments[0];
    EXPECT_EQ(run.out.find('\xff'), std::string::npos) << arguments[0];
  }
}

}  // namespace
}  // namespace vxs::test
