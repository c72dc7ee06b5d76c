// Many deaths: at random instants under load, and for what they leave behind.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <random>
#include <thread>

#include "tests/daemon/supervisor/supervised.hh"

namespace vxs::supervisor_test {
namespace {

int count_from(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::atoi(text) : otherwise;
}

/// Clients of one thread: one that stays, and others that come, ask a little and go.
struct Load {
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> answers{0};
  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::uint64_t> violations{0};

  void run(const std::string& path, unsigned seed) {
    std::minstd_rand random(seed);
    std::uint64_t number = 0;
    const auto ask = [&](Client& client) {
      const auto answer = client.ask(Ask::kPing, ++number);
      answer == number ? ++answers : ++violations;
      return answer == number;
    };
    Client stays(path);
    while (!stop && ask(stays)) {
      Client comes(path);
      ++connections;
      for (auto i = random() % 5; i > 0; --i) {
        if (!ask(comes)) return;
      }
    }
  }
};

TEST(Supervisor, LosesNoConnectionWhenTheDaemonIsKilledAtRandomInstants) {
  const int kills = count_from("VXS_SUPERVISOR_KILLS", 200);
  Supervised supervised({.options = {"--backoff-max", "5"}});
  Client witness(supervised.socket());
  ASSERT_EQ(witness.ask(Ask::kPing, 1), 1U);
  const auto at_rest = descriptors_of(supervised.pid());
  Load load;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 4; ++i) {
    threads.emplace_back([&load, i, path = supervised.socket()] { load.run(path, i + 1); });
  }
  std::mt19937 random(20261122);
  for (int i = 0; i < kills; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 40'000));
    pid_t daemon = 0;
    ASSERT_TRUE(eventually([&] { return (daemon = supervised.daemon()) != 0; })) << i;
    ::kill(daemon, SIGKILL);
  }
  load.stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(load.violations, 0U) << supervised.output();
  EXPECT_EQ(witness.ask(Ask::kPing, 2), 2U);
  EXPECT_GT(load.connections, 100U);
  // Kills may meet a daemon that was not ready yet, or one that is a zombie still.
  EXPECT_GT(witness.ask(Ask::kStarts).value_or(0), static_cast<std::uint64_t>(kills) / 2);
  EXPECT_TRUE(eventually([&] { return descriptors_of(supervised.pid()) == at_rest; }));
  std::printf("%d kills, %llu answers, %llu connections\n", kills,
              static_cast<unsigned long long>(load.answers),
              static_cast<unsigned long long>(load.connections));
}

TEST(Supervisor, LeaksNoDescriptorOver1000Restarts) {
  const int restarts = count_from("VXS_SUPERVISOR_RESTARTS", 1000);
  Supervised supervised({.options = {"--backoff-max", "0"}});
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(std::make_unique<Client>(supervised.socket()));
    ASSERT_EQ(clients.back()->ask(Ask::kPing, 1), 1U);
  }
  Client& client = *clients.front();
  client.send(Ask::kDie, SIGKILL);
  const auto in_daemon = client.ask(Ask::kDescriptors);
  ASSERT_TRUE(in_daemon);
  const auto in_supervisor = descriptors_of(supervised.pid());
  for (int i = 0; i < restarts; ++i) {
    ASSERT_TRUE(client.send(Ask::kDie, SIGKILL));
    ASSERT_EQ(client.ask(Ask::kStarts), static_cast<std::uint64_t>(i) + 3);
  }
  EXPECT_EQ(client.ask(Ask::kDescriptors), in_daemon);
  EXPECT_EQ(descriptors_of(supervised.pid()), in_supervisor);
  for (auto& other : clients) EXPECT_EQ(other->ask(Ask::kPing, 2), 2U);
}

}  // namespace
}  // namespace vxs::supervisor_test
