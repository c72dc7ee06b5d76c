// vxs on a history with folded commits: each Seq is found as if it were alone.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <sstream>

#include "tests/store/history/history_fixture.hh"
#include "tests/tools/run_vxs.hh"

namespace vxs::history_test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// Seq 1 /a and /b; 2 to 5 folded: dom3 writes /a, dom4 /b, dom3 /a, dom3 makes /c/d; 6 single; 7 a
// failed transaction that Seq 3 stood in the way of.
class VxsFoldedTest : public HistoryFixture {
 protected:
  VxsFoldedTest() {
    scenario.commit({{store::ChangeKind::kCreate, "/a", "0", perms(), false},
                     {store::ChangeKind::kCreate, "/b", "0", perms(), false}},
                    store::CommitKind::kSingle);
    flush();
    writer->note_lag(600'000);
    scenario.write("/a", "1", 3);
    scenario.write("/b", "1", 4);
    scenario.write("/a", "2", 3);
    scenario.write("/c/d", "x", 3);
    flush();
    writer->note_lag(0);
    scenario.write("/a", "3", 5);
    scenario.conflict({{store::ChangeKind::kWrite, "/b", "9", {}, false}}, 6, 1, "/b", 3);
    flush();
  }
  store::PermRef perms() { return scenario.perms({{0, protocol::Access::kNone, 0}}); }
  test::Outcome vxs(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--repository", repository});
    return test::run_vxs(arguments);
  }
  static std::vector<json> objects(const std::string& text) {
    std::vector<json> all;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) all.push_back(json::parse(line));
    return all;
  }
  static std::vector<Seq> seqs(const std::vector<json>& all) {
    std::vector<Seq> found;
    for (const json& one : all) found.push_back(one["seq"]);
    return found;
  }
};

TEST_F(VxsFoldedTest, LogGivesOneObjectForEachSeq) {
  const auto all = objects(vxs({"--json", "log"}).out);
  EXPECT_EQ(seqs(all), (std::vector<Seq>{6, 5, 4, 3, 2, 1}));
  EXPECT_EQ(all[3]["domid"], 4);
  EXPECT_EQ(all[3]["op"], "write");
  EXPECT_EQ(all[3]["paths"], json::array({"/b"}));
  EXPECT_EQ(all[3]["connection"], 17);
  EXPECT_EQ(all[3]["folded"]["first"], 2);
  EXPECT_EQ(all[3]["folded"]["last"], 5);
  EXPECT_EQ(all[3]["requests"], json::array({"write /b 0→1"}));
  EXPECT_FALSE(all[0].contains("folded"));
  EXPECT_EQ(seqs(objects(vxs({"--json", "log", "/a"}).out)), (std::vector<Seq>{6, 4, 2, 1}));
  EXPECT_EQ(seqs(objects(vxs({"--json", "log", "--domain", "3"}).out)),
            (std::vector<Seq>{5, 4, 2}));
  EXPECT_THAT(vxs({"log"}).out, HasSubstr("dom4 write /b 0→1\n"));
  EXPECT_THAT(vxs({"log", "-p", "/b"}).out, HasSubstr("dom4 write /b 0→1\n    write /b 0→1\n"));
  EXPECT_THAT(vxs({"log", "--graph"}).out, HasSubstr("dom4 write /b 0→1"));
}

TEST_F(VxsFoldedTest, ShowFindsASeqWithinTheFold) {
  for (const std::string seq : {"2", "3", "4", "5"}) {
    const test::Outcome run = vxs({"--json", "show", seq});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(seqs(objects(run.out)), std::vector<Seq>{std::stoul(seq)});
  }
  const test::Outcome run = vxs({"show", "3"});
  EXPECT_THAT(run.out, HasSubstr("dom4 write /b 0→1"));
  EXPECT_THAT(run.out, HasSubstr("one of Seq 2..5"));
  EXPECT_EQ(run.out.find("/a"), std::string::npos) << run.out;
}

TEST_F(VxsFoldedTest, AtGivesTheTreeAfterTheFoldAndSaysSo) {
  const test::Outcome run = vxs({"at", "3", "read", "/a"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out, "2\n");
  EXPECT_THAT(run.err, HasSubstr("Seq 2 to 5 share one commit"));
  EXPECT_EQ(vxs({"at", "5", "read", "/a"}).err, "");
  EXPECT_EQ(vxs({"at", "1", "read", "/a"}).out, "0\n");
}

TEST_F(VxsFoldedTest, BlameAndConflictsNameTheSeqWithinTheFold) {
  const auto blamed = objects(vxs({"--json", "blame", "/b"}).out);
  ASSERT_EQ(blamed.size(), 1U);
  EXPECT_EQ(blamed[0]["seq"], 3);
  EXPECT_EQ(blamed[0]["domid"], 4);
  EXPECT_EQ(blamed[0]["permissions_seq"], 1);
  EXPECT_EQ(objects(vxs({"--json", "blame", "/c/d"}).out)[0]["seq"], 5);
  EXPECT_THAT(vxs({"conflicts"}).out, HasSubstr("made Seq 3: dom4 write /b 0→1"));
  EXPECT_EQ(vxs({"fsck"}).exit_code, 0);
}

// Bug: a transaction that failed since it was taken up by another process read as if dom0 had
// caused it with Seq 0.
TEST_F(VxsFoldedTest, Bug_WhoIsNotKnownToHaveStoodInTheWayIsNotDom0) {
  auto& resumed = scenario.conflict({}, 9, 1, "/b", 0);
  resumed.conflict.blocking_domid = kDomIdInvalid;
  auto& old = scenario.conflict({}, 9, 1, "/b", 2);
  old.conflict.blocking_domid = kDomIdInvalid;
  flush();
  EXPECT_EQ(log("-1 --format='%(trailers:key=Conflicts-With)' refs/conflicts/8"),
            "Conflicts-With: seq=unknown domain=unknown request=READ path=/b\n\n");
  EXPECT_EQ(log("-1 --format='%(trailers:key=Conflicts-With)' refs/conflicts/9"),
            "Conflicts-With: seq=2 domain=unknown request=READ path=/b\n\n");
  const std::string text = vxs({"conflicts"}).out;
  EXPECT_THAT(text, HasSubstr("READ /b was no longer true: it is not known who changed it"));
  EXPECT_THAT(text, HasSubstr("a domain that is not known made Seq 2: dom3 write /a"));
  EXPECT_THAT(vxs({"show", "8"}).out, HasSubstr("it is not known who changed it"));
  EXPECT_EQ(vxs({"conflicts", "--domain", "0"}).out, vxs({"conflicts", "--domain", "6"}).out)
      << "the one that dom0 is known to have caused";
  const auto all = objects(vxs({"--json", "conflicts", "--domain", "9"}).out);
  ASSERT_EQ(all.size(), 2U);
  const json expected{{"seq", nullptr}, {"domid", nullptr}, {"request", "READ"}, {"path", "/b"}};
  EXPECT_TRUE(all[0]["conflicts_with"] == expected || all[1]["conflicts_with"] == expected) << text;
  EXPECT_EQ(vxs({"fsck"}).exit_code, 0);
}

}  // namespace
}  // namespace vxs::history_test
