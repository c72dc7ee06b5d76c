// The supervisor under systemd, which a datagram socket stands in for.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/daemon/supervisor/supervised.hh"

namespace vxs::supervisor_test {
namespace {

using ::testing::Contains;
using ::testing::Key;
using ::testing::Not;
using ::testing::StartsWith;

class SupervisorUnderSystemd : public ::testing::Test {
 protected:
  [[nodiscard]] Launch launch(std::map<std::string, std::string> env = {}) const {
    env.emplace("NOTIFY_SOCKET", systemd_.address());
    return {.options = {}, .env = std::move(env), .command = {}, .passed = systemd_.passed()};
  }
  /// Reads until the store holds so many.
  bool store_has(std::size_t count) {
    return eventually([&] {
      (void)systemd_.read();
      return systemd_.store.size() == count;
    });
  }
  std::ptrdiff_t said(const std::string& state) {
    (void)systemd_.read();
    return std::count(systemd_.states.begin(), systemd_.states.end(), state);
  }
  FakeSystemd systemd_;
};

TEST_F(SupervisorUnderSystemd, I6_ReadyIsSaidOnce) {
  Supervised supervised(launch({{"FAKE_SLOW", "200"}}));
  ASSERT_TRUE(eventually([&] { return supervised.starts() == 1; }));
  EXPECT_EQ(said("READY=1"), 0);
  Client client(supervised.socket());
  ASSERT_EQ(client.ask(Ask::kPing, 1), 1U);
  EXPECT_TRUE(eventually([&] { return said("READY=1") == 1; }));
  client.send(Ask::kDie, SIGKILL);
  ASSERT_EQ(client.ask(Ask::kPing, 2), 2U);
  supervised.signal(SIGTERM);
  ASSERT_TRUE(supervised.wait());
  EXPECT_EQ(said("READY=1"), 1);
  EXPECT_EQ(said("STOPPING=1"), 1);
}

TEST_F(SupervisorUnderSystemd, StoresEachKeptDescriptorUnderANameOfItsOwn) {
  Supervised supervised(launch());
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 30; ++i) {
    clients.push_back(std::make_unique<Client>(supervised.socket()));
    ASSERT_EQ(clients.back()->ask(Ask::kPing, 1), 1U);
  }
  ASSERT_TRUE(clients.front()->ask(Ask::kKeep, 17));
  EXPECT_TRUE(store_has(32));
  EXPECT_THAT(systemd_.store, Contains(Key("listen")));
  EXPECT_THAT(systemd_.store, Contains(Key("extra")));
  EXPECT_THAT(systemd_.store, Contains(Key(StartsWith("client-"))).Times(30));
  // A restart of the daemon stores nothing twice; replacing removes first.
  clients.front()->send(Ask::kDie, SIGKILL);
  ASSERT_TRUE(clients.front()->ask(Ask::kKeep, 18));
  clients.resize(10);
  EXPECT_TRUE(store_has(12));
  ASSERT_TRUE(clients.front()->ask(Ask::kRelease));
  EXPECT_TRUE(store_has(11));
  EXPECT_EQ(systemd_.collisions, 0U);
  EXPECT_EQ(systemd_.polled, 0U);
  EXPECT_EQ(systemd_.unknown, 0U);
}

TEST_F(SupervisorUnderSystemd, NobodyIsLostWhenTheSupervisorItselfIsKilled) {
  auto supervised = std::make_unique<Supervised>(launch());
  Client client(supervised->socket());
  Client other(supervised->socket());
  ASSERT_TRUE(client.ask(Ask::kKeep, 99));
  ASSERT_EQ(other.ask(Ask::kPing, 1), 1U);
  ASSERT_TRUE(store_has(4));
  for (int round = 0; round < 3; ++round) {
    supervised->signal(SIGKILL);
    ASSERT_TRUE(supervised->wait());
    Client meanwhile(supervised->socket());  // waits in the queue of the stored socket
    supervised->start_again(launch());
    EXPECT_EQ(client.ask(Ask::kInherited), 4U);
    EXPECT_EQ(client.ask(Ask::kExtra), 99U);
    EXPECT_EQ(client.ask(Ask::kSupervisor), static_cast<std::uint64_t>(supervised->pid()));
    EXPECT_EQ(other.ask(Ask::kPing, 2), 2U);
    EXPECT_EQ(meanwhile.ask(Ask::kPing, 3), 3U);
    EXPECT_TRUE(store_has(5));
    meanwhile.send(Ask::kHangUp);
    EXPECT_TRUE(store_has(4));
  }
  EXPECT_EQ(said("READY=1"), 4);
  EXPECT_EQ(systemd_.collisions, 0U);
  EXPECT_EQ(systemd_.unknown, 0U);
}

TEST_F(SupervisorUnderSystemd, NobodyIsLostWhenTheSupervisorIsKilledAtRandomInstants) {
  auto supervised = std::make_unique<Supervised>(launch());
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<Client>(supervised->socket()));
    ASSERT_EQ(clients.back()->ask(Ask::kPing, 1), 1U);
  }
  ASSERT_TRUE(store_has(5));
  std::atomic<bool> stop{false};
  std::atomic<int> violations{0};
  std::vector<std::thread> threads;
  for (auto& client : clients) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 1; !stop; ++i) {
        if (client->ask(Ask::kPing, i) != i) ++violations;
      }
    });
  }
  std::minstd_rand random(7);
  for (int kills = 0; kills < 30; ++kills) {
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 100'000));
    supervised->signal(SIGKILL);
    EXPECT_TRUE(supervised->wait());
    (void)systemd_.read();
    supervised->start_again(launch());
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(violations, 0) << supervised->output();
  EXPECT_TRUE(store_has(5));
}

/// Makes the supervisor come by the point, by `client` or by the newcomer that it returns.
std::unique_ptr<Client> lead_to(const std::string& point, Client& client,
                                const std::string& socket) {
  if (point == "supervisor-accepting" || point == "supervisor-accepted" ||
      point == "manager-told") {
    return std::make_unique<Client>(socket);
  }
  if (point == "supervisor-released") {
    client.send(Ask::kHangUp);
  } else if (point == "supervisor-keep-read" || point == "supervisor-kept") {
    client.send(Ask::kKeep, 7);
  } else if (point == "supervisor-ahead-forked") {
    client.send(Ask::kExecAhead);
  } else if (point == "supervisor-exec-read" || point == "supervisor-turn" ||
             point == "supervisor-taken-over") {
    client.send(Ask::kUpdate, 1);
  } else if (point == "supervisor-falling-back") {
    client.send(Ask::kUpdate, 0);
  } else {
    client.send(Ask::kDie, SIGKILL);
  }
  return nullptr;
}

TEST_F(SupervisorUnderSystemd, NobodyIsLostWhenTheSupervisorDiesAtEachNamedStep) {
  auto supervised = std::make_unique<Supervised>(launch());
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<Client>(supervised->socket()));
    ASSERT_EQ(clients.back()->ask(Ask::kPing, 1), 1U);
  }
  ASSERT_TRUE(clients.front()->ask(Ask::kKeep, 7));
  auto points = points_of_supervisor(true);
  const auto others = points_of_supervisor(false);
  points.insert(points.end(), others.begin(), others.end());
  ASSERT_GT(points.size(), 15U);
  for (const auto& point : points) {
    SCOPED_TRACE(point);
    // All is told: what is not could only be lost.
    ASSERT_TRUE(store_has(clients.size() + 2));
    Client leads(supervised->socket());
    ASSERT_EQ(leads.ask(Ask::kPing, 2), 2U);
    ASSERT_TRUE(store_has(clients.size() + 3));
    ASSERT_TRUE(supervised->die_at(point));
    auto newcomer = lead_to(point, leads, supervised->socket());
    const auto status = supervised->wait();
    ASSERT_TRUE(status && WIFSIGNALED(*status) && WTERMSIG(*status) == SIGTRAP);
    (void)systemd_.read();
    supervised->start_again(launch());
    for (const auto& client : clients) ASSERT_EQ(client->ask(Ask::kPing, 3), 3U);
    EXPECT_EQ(clients.front()->ask(Ask::kExtra), 7U);
    // It alone knew of that one, but where it told before it did anything else.
    if (point == "manager-told") {
      ASSERT_EQ(newcomer->ask(Ask::kPing, 4), 4U);
    }
    newcomer.reset();
    leads.send(Ask::kHangUp);
  }
  ASSERT_TRUE(store_has(clients.size() + 2));
  EXPECT_EQ(systemd_.collisions, 0U);
  EXPECT_EQ(systemd_.unknown, 0U);
}

TEST_F(SupervisorUnderSystemd, NamesAreNotGivenAgainByAnotherSupervisor) {
  auto supervised = std::make_unique<Supervised>(launch());
  Client client(supervised->socket());
  ASSERT_EQ(client.ask(Ask::kPing, 1), 1U);
  ASSERT_TRUE(store_has(2));
  const std::string used = systemd_.store.begin()->first;
  client.send(Ask::kHangUp);
  ASSERT_TRUE(store_has(1));
  supervised->start_again(launch());
  Client second(supervised->socket());
  ASSERT_EQ(second.ask(Ask::kPing, 1), 1U);
  ASSERT_TRUE(store_has(2));
  EXPECT_NE(systemd_.store.begin()->first, used);
}

// The kernel's queue of a datagram socket is as short as ten messages.
TEST_F(SupervisorUnderSystemd, ASystemdThatDoesNotReadStallsNobody) {
  Supervised supervised(launch());
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 600; ++i) {
    clients.push_back(std::make_unique<Client>(supervised.socket()));
    ASSERT_EQ(clients.back()->ask(Ask::kPing, 1), 1U);
  }
  for (int i = 0; i < 300; ++i) clients.pop_back();
  // Replaced and released before it was ever stored.
  for (std::uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(clients.front()->ask(Ask::kKeep, i));
  ASSERT_TRUE(clients.front()->ask(Ask::kRelease));
  ASSERT_TRUE(clients.front()->ask(Ask::kKeep, 10));
  ASSERT_TRUE(eventually([&] { return descriptors_of(supervised.pid()) < 400; }));
  EXPECT_TRUE(store_has(302));
  EXPECT_EQ(systemd_.collisions, 0U);
  EXPECT_EQ(systemd_.unknown, 0U);
}

// Who goes on for us keeps nothing at systemd, and a client's end would not be seen while another
// copy of its socket is there. The store's removal came after what fitted into systemd's queue.
TEST_F(SupervisorUnderSystemd, Bug_AHotSwapLeavesNothingInTheStoreOfASystemdThatIsBusy) {
  Supervised supervised(launch());
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(std::make_unique<Client>(supervised.socket()));
    ASSERT_EQ(clients.back()->ask(Ask::kPing, 1), 1U);
  }
  ASSERT_TRUE(store_has(51));
  clients.front()->send(Ask::kSwap, 1);
  std::this_thread::sleep_for(milliseconds(300));
  ASSERT_TRUE(store_has(0));
  ASSERT_TRUE(eventually([&] { return said("WATCHDOG_USEC=0") == 1; }));
  EXPECT_EQ(systemd_.unknown, 0U);
  for (const auto& client : clients) ASSERT_TRUE(client->closed());
  EXPECT_FALSE(supervised.wait(milliseconds(0)));  // it is the other program now
}

TEST_F(SupervisorUnderSystemd, AHotSwapThatFailsStoresEverythingAgain) {
  Supervised supervised(launch());
  Client client(supervised.socket());
  ASSERT_EQ(client.ask(Ask::kPing, 1), 1U);
  ASSERT_TRUE(store_has(2));
  Client other(supervised.socket());
  other.send(Ask::kSwap, 0);
  ASSERT_TRUE(eventually([&] { return supervised.starts() == 2; }));
  EXPECT_EQ(client.ask(Ask::kPing, 2), 2U);
  EXPECT_EQ(client.ask(Ask::kInherited), 3U);
  EXPECT_TRUE(store_has(3));
}

// Systemd was told not to watch the program that was to follow.
TEST_F(SupervisorUnderSystemd, Bug_AHotSwapThatFailsLeavesTheWatchdogOff) {
  Supervised supervised(launch({{"WATCHDOG_USEC", "60000000"}}));
  Client client(supervised.socket());
  ASSERT_EQ(client.ask(Ask::kPing, 1), 1U);
  client.send(Ask::kSwap, 0);
  ASSERT_TRUE(eventually([&] { return said("WATCHDOG_USEC=60000000") == 1; }));
  const auto told = [&](const std::string& state) {
    return std::find(systemd_.states.begin(), systemd_.states.end(), state);
  };
  EXPECT_LT(told("WATCHDOG_USEC=0"), told("WATCHDOG_USEC=60000000"));
  EXPECT_EQ(said("WATCHDOG_USEC=0"), 1);
}

TEST_F(SupervisorUnderSystemd, TheWatchdogIsToldBySupervisorAndDaemonIsWatchedByIt) {
  Supervised supervised(launch({{"WATCHDOG_USEC", "2000000"}}));
  Client client(supervised.socket());
  ASSERT_EQ(client.ask(Ask::kPing, 1), 1U);
  EXPECT_TRUE(eventually([&] { return said("WATCHDOG=1") >= 3; }));
  ASSERT_TRUE(client.ask(Ask::kFallSilent));
  ASSERT_TRUE(eventually([&] { return supervised.starts() == 2; }));
  const auto before = said("WATCHDOG=1");
  EXPECT_TRUE(eventually([&] { return said("WATCHDOG=1") > before; }));
}

std::vector<std::string> environment(std::optional<std::uint64_t> pid) {
  std::vector<std::string> words;
  std::ifstream stream("/proc/" + std::to_string(pid.value_or(0)) + "/environ");
  for (std::string word; std::getline(stream, word, '\0');) words.push_back(word);
  return words;
}

TEST_F(SupervisorUnderSystemd, TheDaemonSeesNothingOfSystemd) {
  Supervised supervised(launch({{"WATCHDOG_USEC", "60000000"}}));
  Client client(supervised.socket());
  const auto pid = client.ask(Ask::kPid);
  ASSERT_TRUE(pid);
  ASSERT_TRUE(store_has(2));
  const auto first = environment(pid);
  supervised.start_again(launch({{"WATCHDOG_USEC", "60000000"}}));
  const auto second = environment(client.ask(Ask::kPid));
  for (const auto& words : {first, second}) {
    ASSERT_THAT(words, Contains(StartsWith("VXENSTORED_SUPERVISOR_FD=")));
    EXPECT_THAT(words, Not(Contains(StartsWith("NOTIFY_SOCKET="))));
    EXPECT_THAT(words, Not(Contains(StartsWith("LISTEN_"))));
    EXPECT_THAT(words, Not(Contains(StartsWith("WATCHDOG_"))));
  }
}

// Systemd ends and restarts both: a second supervisor of the daemon's own would be one too many.
TEST_F(SupervisorUnderSystemd, TheDaemonStartsNoSupervisor) {
  Supervised supervised(launch());
  Client client(supervised.socket());
  ASSERT_EQ(client.ask(Ask::kDeaths), 0U);
  supervised.signal(SIGKILL);
  ASSERT_TRUE(supervised.wait());
  EXPECT_TRUE(eventually([&] { return client.ask(Ask::kDeaths) == 1U; }));
  EXPECT_EQ(client.ask(Ask::kSupervisor), static_cast<std::uint64_t>(supervised.pid()));
}

}  // namespace
}  // namespace vxs::supervisor_test
