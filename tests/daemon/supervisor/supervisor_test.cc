// The supervisor with a daemon that dies, hangs, fails and ends.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "tests/daemon/supervisor/supervised.hh"

namespace vxs::supervisor_test {
namespace {

bool exited_with(std::optional<int> status, int code) {
  return status && WIFEXITED(*status) && WEXITSTATUS(*status) == code;
}

TEST(Supervisor, KeepsConnectionsOfADaemonThatIsKilled) {
  Supervised supervised;
  Client before(supervised.socket());
  Client idle(supervised.socket());
  const auto first = before.ask(Ask::kPid);
  ASSERT_TRUE(first);
  ASSERT_EQ(idle.ask(Ask::kPing, 1), 1U);
  ::kill(static_cast<pid_t>(*first), SIGKILL);
  const auto second = before.ask(Ask::kPid);
  ASSERT_TRUE(second);
  EXPECT_NE(*first, *second);
  EXPECT_EQ(idle.ask(Ask::kPing, 7), 7U);
  EXPECT_EQ(idle.ask(Ask::kStarts), 2U);
  EXPECT_EQ(idle.ask(Ask::kInherited), 3U);
  EXPECT_EQ(idle.ask(Ask::kPrevious), static_cast<std::uint64_t>(SIGKILL));
}

TEST(Supervisor, IsWhoTheDaemonSaysItIs) {
  Supervised supervised;
  Client client(supervised.socket());
  EXPECT_EQ(client.ask(Ask::kSupervisor), static_cast<std::uint64_t>(supervised.pid()));
  client.send(Ask::kDie, SIGSEGV);
  EXPECT_EQ(client.ask(Ask::kSupervisor), static_cast<std::uint64_t>(supervised.pid()));
  // Also for the kernel: a second instance names the holder of the socket by this.
  Client second(supervised.socket());
  ucred peer{};
  socklen_t size = sizeof(peer);
  ASSERT_EQ(::getsockopt(second.fd(), SOL_SOCKET, SO_PEERCRED, &peer, &size), 0);
  EXPECT_EQ(peer.pid, supervised.pid());
}

TEST(Supervisor, ServesWhoConnectedWhileThereWasNoDaemon) {
  Supervised supervised({.options = {"--backoff-max", "50"}});
  Client before(supervised.socket());
  ASSERT_EQ(before.ask(Ask::kPing, 1), 1U);
  supervised.fail_with(3);
  before.send(Ask::kDie, SIGKILL);
  ASSERT_TRUE(eventually([&] { return supervised.starts() >= 3; }));
  std::vector<std::unique_ptr<Client>> meanwhile;
  for (int i = 0; i < 20; ++i) {
    meanwhile.push_back(std::make_unique<Client>(supervised.socket()));
    ASSERT_TRUE(meanwhile.back()->send(Ask::kPing, 0));
  }
  // Accepted already: kept by the supervisor, with nobody to hand them to.
  EXPECT_TRUE(eventually([&] { return descriptors_of(supervised.pid()) > 20; }));
  supervised.fail_with(std::nullopt);
  for (auto& client : meanwhile) EXPECT_EQ(client->ask(Ask::kPing, 5), 5U);
  EXPECT_EQ(before.ask(Ask::kPing, 6), 6U);
}

TEST(Supervisor, GivesAClosedConnectionUp) {
  Supervised supervised;
  Client stays(supervised.socket());
  ASSERT_EQ(stays.ask(Ask::kPing, 1), 1U);
  const auto before = descriptors_of(supervised.pid());
  {
    Client client(supervised.socket());
    ASSERT_EQ(client.ask(Ask::kPing, 1), 1U);
    EXPECT_EQ(descriptors_of(supervised.pid()), before + 1);
  }
  EXPECT_TRUE(eventually([&] { return descriptors_of(supervised.pid()) == before; }));
  // Also where it is the daemon that hangs up: the supervisor's copy must not hold it open.
  Client ended(supervised.socket());
  ended.send(Ask::kHangUp);
  EXPECT_TRUE(ended.closed());
  EXPECT_TRUE(eventually([&] { return descriptors_of(supervised.pid()) == before; }));
}

TEST(Supervisor, KeepsWhatTheDaemonGaveItAtItsLastMoment) {
  Supervised supervised;
  Client client(supervised.socket());
  Client second(supervised.socket());
  ASSERT_EQ(second.ask(Ask::kPing, 1), 1U);
  const auto pid = client.ask(Ask::kPid);
  ASSERT_TRUE(pid);
  client.send(Ask::kKeepAndDie, 4711);
  // The daemon dies with this one's ACCEPTED unread, which the supervisor's socket reports as an
  // error before what was sent.
  Client unread(supervised.socket());
  ASSERT_TRUE(eventually([&] { return descriptors_of(static_cast<pid_t>(*pid)) == 0; }));
  supervised.signal(SIGCONT);
  EXPECT_EQ(second.ask(Ask::kExtra), 4711U);
  EXPECT_EQ(unread.ask(Ask::kStarts), 2U);
}

TEST(Supervisor, ReplacesAndReleasesByName) {
  Supervised supervised;
  Client client(supervised.socket());
  ASSERT_EQ(client.ask(Ask::kPing, 1), 1U);
  const auto without = descriptors_of(supervised.pid());
  // The daemon answers when it has sent, which is before the supervisor has read.
  ASSERT_TRUE(client.ask(Ask::kKeep, 1));
  EXPECT_TRUE(eventually([&] { return descriptors_of(supervised.pid()) == without + 1; }));
  ASSERT_TRUE(client.ask(Ask::kKeep, 2));
  client.send(Ask::kDie, SIGKILL);
  EXPECT_EQ(client.ask(Ask::kExtra), 2U);
  EXPECT_TRUE(eventually([&] { return descriptors_of(supervised.pid()) == without + 1; }));
  ASSERT_TRUE(client.ask(Ask::kRelease));
  EXPECT_TRUE(eventually([&] { return descriptors_of(supervised.pid()) == without; }));
  client.send(Ask::kDie, SIGKILL);
  EXPECT_EQ(client.ask(Ask::kExtra), 0U);
}

// Neither waits for the other: what a socket does not take, some 270 messages, is queued.
TEST(Supervisor, ThatIsStoppedDoesNotStallTheDaemon) {
  Supervised supervised;
  Client client(supervised.socket());
  ASSERT_EQ(client.ask(Ask::kPing, 1), 1U);
  supervised.signal(SIGSTOP);
  for (std::uint64_t i = 1; i <= 1000; ++i) ASSERT_TRUE(client.ask(Ask::kKeep, i));
  supervised.signal(SIGCONT);
  ASSERT_TRUE(eventually([&] { return client.ask(Ask::kPending) == 0U; }));
  client.send(Ask::kDie, SIGKILL);
  EXPECT_EQ(client.ask(Ask::kExtra), 1000U);
}

TEST(Supervisor, IsNotStalledByADaemonThatIsStopped) {
  Supervised supervised;
  Client client(supervised.socket());
  const auto pid = client.ask(Ask::kPid);
  ASSERT_TRUE(pid);
  ::kill(static_cast<pid_t>(*pid), SIGSTOP);
  std::vector<std::unique_ptr<Client>> meanwhile;
  for (int i = 0; i < 1500; ++i) {  // more than wait in the listening socket
    meanwhile.push_back(std::make_unique<Client>(supervised.socket()));
    ASSERT_TRUE(meanwhile.back()->send(Ask::kPing));
  }
  EXPECT_TRUE(eventually([&] { return descriptors_of(supervised.pid()) > 1500; }));
  ::kill(static_cast<pid_t>(*pid), SIGCONT);
  for (auto& one : meanwhile) ASSERT_EQ(one->ask(Ask::kPing, 4), 4U);
  // The same for all that the next one is sent at its start.
  client.send(Ask::kDie, SIGKILL);
  for (auto& one : meanwhile) ASSERT_EQ(one->ask(Ask::kPing, 5), 5U);
  EXPECT_EQ(client.ask(Ask::kInherited), 1502U);
}

// --- ends --------------------------------------------------------------------

TEST(Supervisor, EndsWithADaemonThatEndsInOrder) {
  Supervised supervised;
  Client client(supervised.socket());
  client.send(Ask::kExit, 0);
  EXPECT_TRUE(exited_with(supervised.wait(), 0));
  EXPECT_TRUE(client.closed());
}

TEST(Supervisor, RestartsADaemonThatExitsWithAnError) {
  Supervised supervised;
  Client client(supervised.socket());
  client.send(Ask::kExit, 3);
  EXPECT_EQ(client.ask(Ask::kPrevious), 3U << 8);
}

TEST(Supervisor, EndsWithTheCodeOfADaemonThatWasNeverReady) {
  support::TempDir dir;
  std::ofstream(dir.path() + "/fail") << 9;
  Supervised failing({.env = {{"FAKE_FAIL", dir.path() + "/fail"}}});
  EXPECT_TRUE(exited_with(failing.wait(), 9)) << failing.output();
  EXPECT_EQ(failing.starts(), 1U);

  std::ofstream(dir.path() + "/fail") << -SIGKILL;
  Supervised dying({.env = {{"FAKE_FAIL", dir.path() + "/fail"}}});
  EXPECT_TRUE(exited_with(dying.wait(), 128 + SIGKILL)) << dying.output();
}

TEST(Supervisor, SaysWhyACommandCannotBeRun) {
  Supervised missing({.command = {"no-such-program-anywhere"}});
  EXPECT_TRUE(exited_with(missing.wait(), 1));
  EXPECT_NE(missing.output().find("cannot find no-such-program-anywhere in PATH"),
            std::string::npos)
      << missing.output();
}

TEST(Supervisor, PassesSignalsOn) {
  (void)::signal(SIGHUP, SIG_DFL);  // whoever runs this under nohup
  Supervised supervised;
  Client client(supervised.socket());
  ASSERT_EQ(client.ask(Ask::kSignals), 0U);
  std::uint64_t expected = 0;
  for (const int number : {SIGHUP, SIGUSR1, SIGUSR2}) {
    supervised.signal(number);
    ++expected;
    EXPECT_TRUE(eventually([&] { return client.ask(Ask::kSignals) == expected; })) << number;
  }
  supervised.signal(SIGTERM);
  EXPECT_TRUE(exited_with(supervised.wait(), 0));
  EXPECT_EQ(supervised.starts(), 1U);
}

TEST(Supervisor, EndsAtSigtermWhileThereIsNoDaemon) {
  Supervised supervised({.options = {"--backoff-max", "60000"}});
  Client client(supervised.socket());
  ASSERT_EQ(client.ask(Ask::kPing, 1), 1U);
  supervised.fail_with(1);
  client.send(Ask::kDie, SIGKILL);
  // After the eighth failure there is a delay of more than half a second.
  ASSERT_TRUE(eventually([&] { return supervised.starts() >= 8 && supervised.daemon() == 0; }));
  supervised.signal(SIGTERM);
  EXPECT_TRUE(exited_with(supervised.wait(), 0));
}

TEST(Supervisor, DoesNotStartAnotherForOneThatDiesWhileItStops) {
  Supervised supervised({.env = {{"FAKE_SLOW", "500"}}});
  ASSERT_TRUE(eventually([&] { return supervised.starts() == 1; }));
  supervised.signal(SIGTERM);  // which kills it, since it does not handle it yet
  EXPECT_TRUE(exited_with(supervised.wait(), 0));
  EXPECT_EQ(supervised.starts(), 1U);
}

TEST(Supervisor, KeepsSighupFromADaemonThatIsNotReady) {
  Supervised supervised({.env = {{"FAKE_SLOW", "300"}}});
  ASSERT_TRUE(eventually([&] { return supervised.starts() == 1; }));
  supervised.signal(SIGHUP);
  Client client(supervised.socket());
  EXPECT_EQ(client.ask(Ask::kStarts), 1U);
}

// --- restarts ----------------------------------------------------------------

TEST(Supervisor, WaitsLongerAndLongerBetweenStartsThatFail) {
  Supervised supervised({.options = {"--backoff-max", "400"}});
  Client client(supervised.socket());
  ASSERT_EQ(client.ask(Ask::kPing, 1), 1U);
  supervised.fail_with(1);
  client.send(Ask::kDie, SIGKILL);
  ASSERT_TRUE(eventually([&] { return supervised.starts() >= 2; }));
  std::this_thread::sleep_for(milliseconds(2000));
  // At 0, 10, 30, 70, 150, 310, 630 and every 400 ms from then on, or later on a busy machine.
  EXPECT_LE(supervised.starts(), 13U);
  EXPECT_GE(supervised.starts(), 6U);
  supervised.fail_with(std::nullopt);
  EXPECT_EQ(client.ask(Ask::kPing, 2), 2U);
}

TEST(Supervisor, RestartsTheBinaryItStarted) {
  support::TempDir dir;
  const char* build = std::getenv("VXS_BUILD_DIR");
  const std::string copy = dir.path() + "/fake";
  std::filesystem::copy_file(std::string(build) + "/tests/daemon/supervisor/fake_daemon", copy);
  Supervised supervised({.command = {copy, dir.path() + "/socket"}});
  Client client(dir.path() + "/socket");
  ASSERT_EQ(client.ask(Ask::kStarts), 1U);
  // As a package upgrade does: a new file of the same name.
  std::ofstream(copy + ".new") << "#!/bin/sh\nexit 0\n";
  std::filesystem::permissions(copy + ".new", std::filesystem::perms::owner_all);
  std::filesystem::rename(copy + ".new", copy);
  client.send(Ask::kDie, SIGKILL);
  EXPECT_EQ(client.ask(Ask::kStarts), 2U);
}

TEST(Supervisor, KillsADaemonThatFallsSilent) {
  Supervised supervised({.options = {"--watchdog", "1500"}});
  Client client(supervised.socket());
  ASSERT_EQ(client.ask(Ask::kPing, 1), 1U);
  std::this_thread::sleep_for(milliseconds(2500));
  ASSERT_EQ(client.ask(Ask::kStarts), 1U);  // it says ALIVE, and so lives
  ASSERT_TRUE(client.ask(Ask::kFallSilent));
  ASSERT_TRUE(eventually([&] { return supervised.starts() == 2; }));
  const auto status = client.ask(Ask::kPrevious);
  ASSERT_TRUE(status);
  EXPECT_EQ(WTERMSIG(static_cast<int>(*status)), SIGABRT);
}

TEST(Supervisor, KillsADaemonThatIgnoresTheAbort) {
  Supervised supervised({.options = {"--watchdog", "1500"}});
  Client client(supervised.socket());
  const auto pid = client.ask(Ask::kPid);
  ASSERT_TRUE(pid);
  ::kill(static_cast<pid_t>(*pid), SIGSTOP);
  EXPECT_EQ(client.ask(Ask::kPrevious), static_cast<std::uint64_t>(SIGKILL));
}

TEST(Supervisor, KillsARestartedDaemonThatDoesNotGetReady) {
  Supervised supervised({.options = {"--start-timeout", "3000"}});
  Client client(supervised.socket());
  const auto pid = client.ask(Ask::kPid);
  ASSERT_TRUE(pid);
  supervised.fail_with(-SIGSTOP);
  ::kill(static_cast<pid_t>(*pid), SIGKILL);
  ASSERT_TRUE(eventually([&] { return supervised.starts() >= 2; }));
  supervised.fail_with(std::nullopt);
  EXPECT_EQ(client.ask(Ask::kPing, 3), 3U);
}

// A supervisor that was stopped for so long that the daemon gave its live update up: the program
// was tried all the same, when the daemon died one day.
TEST(Supervisor, Bug_ForgetsTheProgramOfADaemonThatGoesOn) {
  Supervised supervised;
  Client client(supervised.socket());
  ASSERT_EQ(client.ask(Ask::kExec, 60), 1U);
  ASSERT_TRUE(client.ask(Ask::kKeep, 1));
  client.send(Ask::kDie, SIGKILL);
  EXPECT_EQ(client.ask(Ask::kPrevious), static_cast<std::uint64_t>(SIGKILL));
  EXPECT_EQ(client.ask(Ask::kStarts), 2U);
  EXPECT_EQ(supervised.output().find("live update"), std::string::npos) << supervised.output();
}

// --- limits ------------------------------------------------------------------

std::string oom_file(pid_t pid) { return "/proc/" + std::to_string(pid) + "/oom_score_adj"; }

// launch-xenstore writes the score of the pid in the pid file, which is the supervisor's, when the
// daemon runs already.
// It ends with status 0, as one does that is not to be started again.
TEST(Supervisor, Bug_ADaemonWhoseOrderToHandOverCannotBeReadIsStartedAgain) {
  Supervised supervised;
  Client client(supervised.socket());
  Client other(supervised.socket());
  ASSERT_EQ(client.ask(Ask::kPing, 1), 1U);
  other.send(Ask::kSwap, 2);
  ASSERT_TRUE(eventually([&] { return supervised.starts() == 2; }));
  EXPECT_EQ(client.ask(Ask::kPing, 2), 2U);
}

TEST(Supervisor_I5, GivesItsLimitsToTheDaemonAlsoLater) {
  Supervised supervised;
  Client client(supervised.socket());
  rlimit own{};
  ::getrlimit(RLIMIT_NOFILE, &own);
  EXPECT_EQ(client.ask(Ask::kSoftLimit), own.rlim_max);
  std::uint64_t score = 0;
  std::ifstream(oom_file(supervised.pid())) >> score;
  ASSERT_EQ(client.ask(Ask::kOomScore), score);

  std::ofstream(oom_file(supervised.pid())) << score + 100;
  const rlimit queue{4096, 8192};
  ASSERT_EQ(::prlimit(supervised.pid(), RLIMIT_MSGQUEUE, &queue, nullptr), 0);
  EXPECT_TRUE(eventually([&] { return client.ask(Ask::kOomScore) == score + 100; }));
  EXPECT_TRUE(eventually([&] { return client.ask(Ask::kQueueLimit) == 4096; }));
  client.send(Ask::kDie, SIGKILL);
  EXPECT_EQ(client.ask(Ask::kOomScore), score + 100);
  EXPECT_EQ(client.ask(Ask::kQueueLimit), 4096U);
}

/// In how many of twenty looks during a second it slept; one that spins never does, and how much
/// CPU it gets for that is the machine's business.
int looks_asleep(pid_t pid) {
  int asleep = 0;
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(milliseconds(50));
    std::ifstream stream("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(stream, text);
    asleep += text.at(text.rfind(')') + 2) == 'S' ? 1 : 0;
  }
  return asleep;
}

TEST(Supervisor, AcceptsNoMoreThanThereAreDescriptorsForAndDoesNotSpin) {
  Supervised supervised({.descriptors = 64});
  std::vector<std::unique_ptr<Client>> served;
  std::vector<std::unique_ptr<Client>> waiting;
  // 64 less a reserve of a quarter, less the listener.
  for (int i = 0; i < 47; ++i) {
    served.push_back(std::make_unique<Client>(supervised.socket()));
    ASSERT_EQ(served.back()->ask(Ask::kPing, 1), 1U) << i;
  }
  for (int i = 0; i < 20; ++i) {
    waiting.push_back(std::make_unique<Client>(supervised.socket()));
    ASSERT_TRUE(waiting.back()->send(Ask::kPing, 2));
  }
  EXPECT_GE(looks_asleep(supervised.pid()), 4);
  served.back()->send(Ask::kDie, SIGKILL);  // also a restart has the room it needs
  for (auto& client : served) ASSERT_EQ(client->ask(Ask::kPing, 3), 3U);
  EXPECT_EQ(served.front()->ask(Ask::kStarts), 2U);
  served.resize(20);
  for (auto& client : waiting) ASSERT_EQ(client->ask(Ask::kPing, 4), 4U);
}

TEST(Supervisor, WaitsAWhileWhenAcceptFindsNoDescriptor) {
  Supervised supervised;
  Client client(supervised.socket());
  ASSERT_EQ(client.ask(Ask::kPing, 1), 1U);
  rlimit before{};
  ASSERT_EQ(::prlimit(supervised.pid(), RLIMIT_NOFILE, nullptr, &before), 0);
  const rlimit few{8, before.rlim_max};  // fewer than it has
  ASSERT_EQ(::prlimit(supervised.pid(), RLIMIT_NOFILE, &few, nullptr), 0);
  Client waits(supervised.socket());
  ASSERT_TRUE(waits.send(Ask::kPing));
  EXPECT_GE(looks_asleep(supervised.pid()), 4);
  EXPECT_EQ(client.ask(Ask::kPing, 2), 2U);
  EXPECT_NE(supervised.output().find("no clients are accepted for now"), std::string::npos);
  // The daemon is given the limit, too. It could not take the client with it, so it loses it first:
  // until its own changes, the supervisor passes on no other.
  ASSERT_TRUE(eventually([&] { return client.ask(Ask::kSoftLimit) == few.rlim_cur; }));
  ASSERT_EQ(::prlimit(supervised.daemon(), RLIMIT_NOFILE, &before, nullptr), 0);
  ASSERT_EQ(::prlimit(supervised.pid(), RLIMIT_NOFILE, &before, nullptr), 0);
  EXPECT_EQ(waits.ask(Ask::kPing, 3), 3U);
}

}  // namespace
}  // namespace vxs::supervisor_test
