// The supervisor's own death where no service manager starts another.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <memory>

#include "tests/daemon/supervisor/supervised.hh"

namespace vxs::supervisor_test {
namespace {

TEST(SupervisorDeath, TheDaemonGoesOnAndStartsAnotherThatKeepsAll) {
  Supervised supervised;
  Client client(supervised.socket());
  Client idle(supervised.socket());
  ASSERT_TRUE(client.ask(Ask::kKeep, 42));
  ASSERT_EQ(idle.ask(Ask::kPing, 1), 1U);
  const auto daemon = client.ask(Ask::kPid);
  supervised.signal(SIGKILL);
  ASSERT_TRUE(supervised.wait());
  std::optional<std::uint64_t> second;
  const auto has_changed = [&](std::uint64_t from) {
    return eventually([&] {
      second = client.ask(Ask::kSupervisor);
      return second && *second != from;
    });
  };
  ASSERT_TRUE(has_changed(static_cast<std::uint64_t>(supervised.pid()))) << supervised.output();
  EXPECT_EQ(client.ask(Ask::kPid), daemon);
  // It accepts, it keeps, and it restarts.
  Client later(supervised.socket());
  ASSERT_EQ(later.ask(Ask::kPing, 2), 2U);
  later.send(Ask::kDie, SIGKILL);
  EXPECT_EQ(client.ask(Ask::kExtra), 42U);
  EXPECT_EQ(idle.ask(Ask::kPing, 3), 3U);
  EXPECT_EQ(later.ask(Ask::kPing, 4), 4U);
  EXPECT_EQ(later.ask(Ask::kInherited), 5U);
  // And its own death is survived like that of the first, as are those of the ones that follow.
  for (std::uint64_t round = 0; round < 10; ++round) {
    const auto before = *second;
    ::kill(static_cast<pid_t>(before), SIGKILL);
    ASSERT_TRUE(has_changed(before)) << supervised.output();
    Client comes(supervised.socket());
    ASSERT_EQ(comes.ask(Ask::kPing, round), round);
    EXPECT_EQ(idle.ask(Ask::kPing, round), round);
  }
}

TEST(SupervisorDeath, NobodyIsLostAtAnyStepOfAServingSupervisor) {
  auto points = points_of_supervisor(true);
  points.insert(points.end(),
                {"supervisor-keep-read", "supervisor-kept", "supervisor-ahead-forked"});
  for (const auto& point : points) {
    SCOPED_TRACE(point);
    Supervised supervised;
    Client client(supervised.socket());
    Client leads(supervised.socket());
    ASSERT_TRUE(client.ask(Ask::kKeep, 5));
    ASSERT_EQ(leads.ask(Ask::kPing, 1), 1U);
    ASSERT_TRUE(supervised.die_at(point));
    std::optional<Client> newcomer;
    if (point.starts_with("supervisor-accept")) {
      newcomer.emplace(supervised.socket());
    } else if (point == "supervisor-released") {
      leads.send(Ask::kHangUp);
    } else if (point == "supervisor-ahead-forked") {
      leads.send(Ask::kExecAhead);
    } else {
      leads.send(Ask::kKeep, 6);
    }
    const auto status = supervised.wait();
    ASSERT_TRUE(status && WIFSIGNALED(*status) && WTERMSIG(*status) == SIGTRAP);
    ASSERT_TRUE(eventually([&] {
      const auto now = client.ask(Ask::kSupervisor);
      return now && *now != static_cast<std::uint64_t>(supervised.pid());
    })) << supervised.output();
    Client later(supervised.socket());
    ASSERT_EQ(later.ask(Ask::kPing, 2), 2U);
    later.send(Ask::kDie, SIGKILL);
    EXPECT_EQ(client.ask(Ask::kExtra), point.starts_with("supervisor-ke") ? 6U : 5U);
    EXPECT_EQ(later.ask(Ask::kPing, 3), 3U);
  }
}

// Bug: words that do not fit a message were left out, and the next daemon started without them.
TEST(SupervisorDeath, Bug_AWordThatIsTooLongForAMessageIsNotLeftOut) {
  Launch launch;
  const std::string build = std::getenv("VXS_BUILD_DIR");
  const support::TempDir dir;
  const std::string socket = dir.path() + "/socket";
  launch.command = {build + "/tests/daemon/supervisor/fake_daemon", socket, std::string(5000, 'w')};
  Supervised supervised(launch);
  Client client(socket);
  const auto words = client.ask(Ask::kWords);
  ASSERT_TRUE(words && *words > 5000);
  supervised.signal(SIGKILL);
  ASSERT_TRUE(supervised.wait());
  ASSERT_TRUE(eventually([&] {
    const auto now = client.ask(Ask::kSupervisor);
    return now && *now != static_cast<std::uint64_t>(supervised.pid());
  })) << supervised.output();
  Client other(socket);
  ASSERT_EQ(other.ask(Ask::kPing, 1), 1U);
  other.send(Ask::kDie, SIGKILL);
  EXPECT_EQ(client.ask(Ask::kWords), words);
}

TEST(SupervisorDeath, AnOrderlyEndOfTheDaemonEndsTheOneItStarted) {
  Supervised supervised;
  Client client(supervised.socket());
  const auto daemon = client.ask(Ask::kPid);
  ASSERT_TRUE(daemon);
  supervised.signal(SIGKILL);
  ASSERT_TRUE(supervised.wait());
  std::uint64_t second = 0;
  ASSERT_TRUE(eventually([&] {
    second = client.ask(Ask::kSupervisor).value_or(0);
    return second != 0 && second != static_cast<std::uint64_t>(supervised.pid());
  }));
  ::kill(static_cast<pid_t>(*daemon), SIGTERM);
  EXPECT_TRUE(client.closed());
  EXPECT_TRUE(eventually([&] { return descriptors_of(static_cast<pid_t>(second)) == 0; }));
  EXPECT_EQ(supervised.starts(), 1U);
}

}  // namespace
}  // namespace vxs::supervisor_test
