// Many deaths: at random instants under load, and for what they leave behind.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include "tests/daemon/supervisor/supervised.hh"

namespace vxs::supervisor_test {
namespace {

constexpr unsigned kLongestGapUs = 40'000;

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
  pid_t killed = 0;
  for (int i = 0; i < kills; ++i) {
    // Every second one has served somebody, the others are met anywhere in their start.
    if (i % 2 == 0) {
      const std::uint64_t before = load.answers;
      EXPECT_TRUE(eventually([&] { return load.answers > before; })) << i;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % kLongestGapUs));
    pid_t daemon = 0;
    EXPECT_TRUE(eventually([&] {
      daemon = supervised.daemon();
      return daemon != 0 && daemon != killed;
    })) << i;
    if (daemon == 0) break;
    ::kill(daemon, SIGKILL);
    killed = daemon;
  }
  load.stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(load.violations, 0U) << supervised.output();
  EXPECT_EQ(witness.ask(Ask::kPing, 2), 2U);
  EXPECT_EQ(witness.ask(Ask::kStarts), static_cast<std::uint64_t>(kills) + 1);
  EXPECT_TRUE(eventually([&] { return descriptors_of(supervised.pid()) == at_rest; }));
  std::printf("%d kills, %llu answers, %llu connections\n", kills,
              static_cast<unsigned long long>(load.answers),
              static_cast<unsigned long long>(load.connections));
}

std::size_t mappings_of(pid_t pid) {
  std::ifstream stream("/proc/" + std::to_string(pid) + "/maps");
  return static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(stream), {}, '\n'));
}

std::size_t resident_kib(pid_t pid) {
  std::ifstream stream("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(stream, line);) {
    if (line.rfind("VmRSS:", 0) == 0) return std::stoul(line.substr(6));
  }
  return 0;
}

TEST(Supervisor, LeaksNothingOver1000Restarts) {
#ifdef VXS_ASAN
  constexpr int kOtherwise = 200;  // instrumented programs start slowly
#else
  constexpr int kOtherwise = 1000;
#endif
  const int restarts = count_from("VXS_SUPERVISOR_RESTARTS", kOtherwise);
  Supervised supervised({.options = {"--backoff-max", "0"}});
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(std::make_unique<Client>(supervised.socket()));
    ASSERT_EQ(clients.back()->ask(Ask::kPing, 1), 1U);
  }
  Client& client = *clients.front();
  std::uint64_t starts = 1;
  const auto restart = [&] {
    return client.send(Ask::kDie, SIGKILL) && client.ask(Ask::kStarts) == ++starts;
  };
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(restart());
  const auto in_daemon = client.ask(Ask::kDescriptors);
  ASSERT_TRUE(in_daemon);
  const auto in_supervisor = descriptors_of(supervised.pid());
  [[maybe_unused]] const auto mappings = mappings_of(supervised.pid());
  [[maybe_unused]] const auto resident = resident_kib(supervised.pid());
  for (int i = 0; i < restarts; ++i) ASSERT_TRUE(restart()) << i;
  EXPECT_EQ(client.ask(Ask::kDescriptors), in_daemon);
  EXPECT_EQ(descriptors_of(supervised.pid()), in_supervisor);
#ifndef VXS_ASAN  // whose allocator keeps what was freed
  EXPECT_EQ(mappings_of(supervised.pid()), mappings);
  EXPECT_LT(resident_kib(supervised.pid()), resident + 512);
#endif
  for (auto& other : clients) EXPECT_EQ(other->ask(Ask::kPing, 2), 2U);
}

}  // namespace
}  // namespace vxs::supervisor_test
