// vxs beside a running vxenstored.
#include <gmock/gmock.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/vxenstored_process.hh"
#include "tests/support/wire_client.hh"
#include "tests/tools/fixture.hh"

namespace vxs::test {
namespace {

using support::zstrings;
using testing::HasSubstr;

class DaemonTest : public testing::Test {
 protected:
  void SetUp() override { daemon_.emplace(); }
  [[nodiscard]] Outcome vxs(const std::vector<std::string>& arguments) const {
    return run_vxs(arguments, {{"XENSTORED_RUNDIR", daemon_->dir()}, {"XENSTORED_PATH", ""}});
  }
  /// Runs vxs until it succeeds: history follows the daemon within a second.
  [[nodiscard]] Outcome eventually(const std::vector<std::string>& arguments) const {
    Outcome outcome;
    for (int i = 0; i < 100; ++i) {
      outcome = vxs(arguments);
      if (outcome.exit_code == 0 && !outcome.out.empty()) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return outcome;
  }

  std::optional<support::VxenstoredProcess> daemon_;
};

TEST_F(DaemonTest, ShowsWhoWroteAndWhatFailed) {
  support::WireClient one(daemon_->socket_path());
  support::WireClient two(daemon_->socket_path());
  ASSERT_FALSE(one.call(support::kWrite, std::string("/tool/example\0a\x1b[31m", 20)).is_error());
  const auto started = one.call(support::kTransactionStart, std::string(1, '\0'));
  const auto tx = static_cast<std::uint32_t>(std::stoul(started.payload));
  ASSERT_FALSE(one.call(support::kRead, zstrings({"/tool/example"}), tx).is_error());
  ASSERT_FALSE(one.call(support::kWrite, std::string("/tool/out\0x", 11), tx).is_error());
  ASSERT_FALSE(two.call(support::kWrite, std::string("/tool/example\0b", 15)).is_error());
  ASSERT_EQ(one.call(support::kTransactionEnd, zstrings({"T"}), tx).error(), "EAGAIN");

  const Outcome conflicts = eventually({"conflicts"});
  EXPECT_THAT(conflicts.out, HasSubstr("READ /tool/example was no longer true: dom0 made Seq"));
  EXPECT_THAT(conflicts.out, HasSubstr("dom0 write /tool/example"));
  EXPECT_THAT(conflicts.out, HasSubstr("pid=" + std::to_string(getpid())));

  const Outcome log = vxs({"log", "/tool/example"});
  EXPECT_EQ(SampleTest::lines(log.out).size(), 2u) << log.out << log.err;
  EXPECT_EQ(vxs({"at", "now", "read", "/tool/example"}).out, "b\n");
  const std::string create = SampleTest::seqs(log.out).back();
  EXPECT_EQ(vxs({"at", create, "read", "/tool/example"}).out, "a\\x1b[31m\n");
  const Outcome json = vxs({"log", "--json", "-n", "1", "/tool/example"});
  EXPECT_EQ(nlohmann::json::parse(json.out)["paths"], nlohmann::json({"/tool/example"}));
  const Outcome fsck = vxs({"fsck"});
  EXPECT_EQ(fsck.exit_code, 0) << fsck.out << fsck.err;
}

TEST_F(DaemonTest, StatusAsksTheDaemon) {
  const Outcome status = vxs({"status"});
  EXPECT_EQ(status.exit_code, 0) << status.out << status.err;
  for (const char* key :
       {"journal:", "seq:", "safe-seq:", "connections:", "nodes:", "history-seq:"}) {
    EXPECT_THAT(status.out, HasSubstr(key));
  }
  daemon_->kill9();
  EXPECT_EQ(vxs({"status"}).exit_code, 1);
}

TEST_F(DaemonTest, QuotaSaysWhatDomainsUse) {
  support::WireClient dom0(daemon_->socket_path());
  for (int i = 0; i < 40; ++i) {  // more than one answer of the daemon
    const std::string path = "/local/domain/" + std::to_string(i + 1);
    ASSERT_FALSE(dom0.call(support::kWrite, zstrings({path}) + "value").is_error());
    ASSERT_FALSE(
        dom0.call(support::kSetPerms, zstrings({path, "n" + std::to_string(i + 1)})).is_error());
  }
  const Outcome all = vxs({"quota", "--json"});
  EXPECT_EQ(all.exit_code, 0) << all.err;
  EXPECT_EQ(SampleTest::lines(all.out).size(), 41u) << all.out;  // with dom0
  const Outcome one = vxs({"quota", "7", "--json"});
  const auto json = nlohmann::json::parse(one.out);
  EXPECT_EQ(json["domid"], 7);
  EXPECT_EQ(json["resources"][0]["name"], "nodes");
  EXPECT_EQ(json["resources"][0]["now"], 1);
  EXPECT_TRUE(json["resources"][0]["limit"].is_null());
  EXPECT_THAT(vxs({"quota", "7"}).out, HasSubstr("  nodes                       1          -"));
  EXPECT_EQ(vxs({"quota", "4711"}).exit_code, 1);
  daemon_->kill9();
  EXPECT_EQ(vxs({"quota"}).exit_code, 3);
}

}  // namespace
}  // namespace vxs::test
