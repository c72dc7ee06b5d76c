// The supervisor's own death under systemd, which a stand-in plays, with the real daemon below it:
// what its clients asked is answered once, and in order (docs/guarantees.md).
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "tests/daemon/supervisor/supervised.hh"
#include "tests/support/temp_dir.hh"
#include "tests/support/wire_client.hh"

namespace vxs::supervisor_test {
namespace {

using support::WireClient;
using support::zstrings;

class RealDaemonUnderSystemd : public ::testing::Test {
 protected:
  [[nodiscard]] Launch launch() const {
    return {
        .options = {"--backoff-max", "0"},
        .env = {{"NOTIFY_SOCKET", systemd_.address()}, {"XENSTORED_RUNDIR", dir_.path()}},
        .command = {program_, "--no-fork", "--xen", "off", "--state-dir", dir_.path() + "/state",
                    "--journal-dir", dir_.path() + "/journal", "--pid-file", dir_.path() + "/pid"},
        .passed = systemd_.passed()};
  }
  [[nodiscard]] std::string socket() const { return dir_.path() + "/socket"; }
  // A client whose connection systemd has, too.
  std::unique_ptr<WireClient> client() {
    std::unique_ptr<WireClient> made;
    (void)systemd_.read();
    EXPECT_TRUE(eventually([&] {
      try {
        made = std::make_unique<WireClient>(socket());
      } catch (const support::WireError&) {
      }
      return made != nullptr;
    }));
    EXPECT_EQ(made->call(support::kGetDomainPath, zstrings({"1"})).error(), "");
    (void)systemd_.read();  // it has room, and was told before the daemon was
    return made;
  }
  /// Makes the supervisor come by the point; requests that are under way then are answered later.
  void lead_to(const std::string& point, WireClient& leads, std::unique_ptr<WireClient>& newcomer) {
    const auto control = [&](std::uint32_t id, std::initializer_list<std::string_view> words) {
      leads.send({.type = 0, .req_id = id, .tx_id = 0, .payload = zstrings(words)});
    };
    if (point == "supervisor-accepting" || point == "supervisor-accepted" ||
        point == "manager-told") {
      newcomer = std::make_unique<WireClient>(socket());
      try {
        newcomer->send(
            {.type = support::kGetDomainPath, .req_id = 9, .tx_id = 0, .payload = zstrings({"9"})});
      } catch (const support::WireError&) {
        EXPECT_NE(point, "manager-told") << "it was nobody's any more";
      }
    } else if (point == "supervisor-released") {
      leads = WireClient(socket());
    } else if (point == "supervisor-ahead-forked" || point == "supervisor-exec-read" ||
               point == "supervisor-turn" || point == "supervisor-taken-over") {
      control(1, {"live-update", "-f", program_});
      control(2, {"live-update", "-s"});
    } else {
      ASSERT_EQ(::kill(supervised_->daemon(), SIGKILL), 0);
    }
  }

  const std::string program_ = std::string(std::getenv("VXS_BUILD_DIR")) + "/daemon/vxenstored";
  support::TempDir dir_{"/dev/shm"};
  FakeSystemd systemd_;
  std::unique_ptr<Supervised> supervised_;
};

TEST_F(RealDaemonUnderSystemd, ClientsDoNotNoticeThatTheSupervisorDiesAtAnyNamedStep) {
  supervised_ = std::make_unique<Supervised>(launch());
  const auto one = client();
  const auto other = client();
  ASSERT_EQ(other->call(support::kWatch, zstrings({"/watched", "t"})).error(), "");
  ASSERT_EQ(other->drain().size(), 1U);
  auto points = points_of_supervisor(true);
  const auto others = points_of_supervisor(false);
  points.insert(points.end(), others.begin(), others.end());
  // A new program that fails in its turn would be another test's (manager_test.cc).
  std::erase(points, "supervisor-falling-back");
  std::uint32_t round = 0;
  for (const auto& point : points) {
    SCOPED_TRACE(point);
    auto leads = client();
    const std::string name = std::to_string(++round);
    const auto tx = static_cast<std::uint32_t>(
        std::stoul(one->call(support::kTransactionStart, zstrings({""})).payload));
    ASSERT_EQ(one->call(support::kWrite, zstrings({"/kept"}) + name, tx).error(), "");
    ASSERT_TRUE(supervised_->die_at(point));
    one->send({.type = support::kWrite,
               .req_id = 100 + round,
               .tx_id = 0,
               .payload = zstrings({"/watched"}) + name});
    std::unique_ptr<WireClient> newcomer;
    lead_to(point, *leads, newcomer);
    const auto status = supervised_->wait();
    ASSERT_TRUE(status && WIFSIGNALED(*status) && WTERMSIG(*status) == SIGTRAP);
    (void)systemd_.read();
    supervised_->start_again(launch());
    EXPECT_EQ(one->reply(milliseconds(30'000)).req_id, 100 + round);
    EXPECT_EQ(one->call(support::kRead, zstrings({"/watched"})).payload, name);
    EXPECT_EQ(one->call(support::kTransactionEnd, zstrings({"T"}), tx).error(), "");
    EXPECT_EQ(one->call(support::kRead, zstrings({"/kept"})).payload, name);
    EXPECT_FALSE(one->receive(milliseconds(0)).has_value()) << "one reply too many";
    // One comes for sure; it may come twice (D14).
    EXPECT_FALSE(other->drain().empty());
    if (point.starts_with("supervisor-ahead") || point == "supervisor-exec-read" ||
        point == "supervisor-turn" || point == "supervisor-taken-over") {
      EXPECT_EQ(leads->reply().req_id, 1U);
      EXPECT_EQ(leads->reply().req_id, 2U) << "the update is answered, and once";
      EXPECT_EQ(leads->call(support::kGetDomainPath, zstrings({"2"})).error(), "");
    }
    if (point == "manager-told") {
      EXPECT_EQ(newcomer->reply().req_id, 9U);
    }
  }
}

}  // namespace
}  // namespace vxs::supervisor_test
