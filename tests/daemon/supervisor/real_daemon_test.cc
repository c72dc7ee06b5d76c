// The supervisor's own death under systemd, which a stand-in plays, with the real daemon below it:
// what its clients asked is answered once, and in order (docs/guarantees.md).
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
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

class HotSwapUnderSystemd : public RealDaemonUnderSystemd {
 protected:
  void SetUp() override { supervised_ = std::make_unique<Supervised>(launch()); }

  // `live-update` to a program that is no vxenstored; the supervisor dies at the point.
  void die_in_swap(const std::string& point, WireClient& leads) {
    const bool runs = point != "supervisor-not-become";
    const std::string file = dir_.path() + (runs ? "/other" : "/garbage");
    std::ofstream(file) << (runs ? "#!/bin/sh\nexec sleep 60\n"
                                 : "\x7f"
                                   "ELF, or so it says");
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    ASSERT_TRUE(supervised_->die_at(point));
    leads.send(
        {.type = 0, .req_id = 1, .tx_id = 0, .payload = zstrings({"live-update", "-f", file})});
    leads.send({.type = 0, .req_id = 2, .tx_id = 0, .payload = zstrings({"live-update", "-s"})});
    std::optional<int> status;
    ASSERT_TRUE(eventually([&] {
      (void)systemd_.read();  // or it would wait for that
      status = supervised_->wait(milliseconds(1));
      return status.has_value();
    }));
    ASSERT_TRUE(WIFSIGNALED(*status) && WTERMSIG(*status) == SIGTRAP);
    (void)systemd_.read();
    supervised_->start_again(launch());
  }
};

TEST_F(HotSwapUnderSystemd, NobodyIsLostWhenTheSupervisorDiesAtAStepOfAHotSwap) {
  const auto one = client();
  ASSERT_EQ(one->call(support::kWatch, zstrings({"/w", "t"})).error(), "");
  ASSERT_EQ(one->drain().size(), 1U);
  for (const std::string point : {"supervisor-hold-read", "supervisor-held",
                                  "supervisor-hand-over-read", "supervisor-becoming"}) {
    SCOPED_TRACE(point);
    const auto leads = client();
    ASSERT_EQ(one->call(support::kWrite, zstrings({"/w"}) + point).error(), "");
    die_in_swap(point, *leads);
    if (HasFatalFailure()) return;
    EXPECT_EQ(leads->reply(milliseconds(30'000)).req_id, 1U);
    const auto said = leads->reply(milliseconds(30'000));
    EXPECT_EQ(said.req_id, 2U);
    EXPECT_NE(said.payload, zstrings({"OK"}));
    EXPECT_EQ(leads->call(support::kGetDomainPath, zstrings({"2"})).error(), "");
    EXPECT_EQ(one->call(support::kRead, zstrings({"/w"})).payload, point);
    EXPECT_FALSE(one->drain().empty());
    EXPECT_FALSE(one->receive(milliseconds(0)).has_value()) << "one reply too many";
  }
}

// Who is to become another program has let go of what the service manager has.
TEST_F(HotSwapUnderSystemd, ConnectionsEndAndTheStateStaysWhenItHadLetGoOfThem) {
  for (const std::string point : {"supervisor-let-go", "supervisor-undressed",
                                  "supervisor-not-become", "supervisor-renamed"}) {
    SCOPED_TRACE(point);
    const auto one = client();
    const auto leads = client();
    ASSERT_EQ(one->call(support::kWrite, zstrings({"/w"}) + point).error(), "");
    die_in_swap(point, *leads);
    if (HasFatalFailure()) return;
    EXPECT_TRUE(one->closed_by_peer(milliseconds(30'000)));
    const auto found = client()->call(support::kRead, zstrings({"/w"}));
    if (point != "supervisor-renamed") {
      EXPECT_EQ(found.payload, point);
      continue;
    }
    EXPECT_EQ(found.error(), "ENOENT");
    EXPECT_TRUE(std::filesystem::exists(dir_.path() + "/state_dump"));
  }
}

}  // namespace
}  // namespace vxs::supervisor_test
