// Live updates under load: clients that check what they were promised notice nothing.
#include <atomic>
#include <thread>

#include "tests/daemon/live_update/update_fixture.hh"

namespace vxs::test {
namespace {

/// Counts in a node of its own, sees its own events, and has a transaction open across everything.
class Counting {
 public:
  Counting(const std::string& socket, int number)
      : path_("/load/" + std::to_string(number)), client_(socket) {}

  void run(const std::atomic<bool>& stop) {
    try {
      work(stop);
    } catch (const std::exception& error) {
      problem = error.what();
    }
  }
  std::string problem;
  int rounds = 0;

 private:
  void check(bool holds, const std::string& what) {
    if (!holds && problem.empty())
      problem = path_ + ", round " + std::to_string(rounds) + ": " + what;
  }
  std::string call(std::uint32_t type, const std::string& payload, std::uint32_t tx = 0) {
    const auto reply = client_.call(type, payload, tx);
    return reply.is_error() ? reply.error() : reply.payload;
  }
  void work(const std::atomic<bool>& stop) {
    const std::string ok("OK\0", 3);
    check(call(support::kWatch, zstrings({path_, "t"})) == ok, "WATCH");
    check(call(support::kWrite, zstrings({path_})) == ok, "the first WRITE");
    while (!stop && problem.empty()) {
      ++rounds;
      const std::string value = std::to_string(rounds);
      const auto tx =
          static_cast<std::uint32_t>(std::stoul(call(support::kTransactionStart, zstrings({""}))));
      check(call(support::kWrite, zstrings({path_ + "/tx"}) + value, tx) == ok, "WRITE in it");
      (void)client_.take_events();
      check(call(support::kWrite, zstrings({path_}) + value) == ok, "WRITE");
      bool seen = false;
      for (const auto& event : client_.drain()) seen = seen || event.path == path_;
      check(seen, "no event");
      check(call(support::kRead, zstrings({path_})) == value, "READ");
      check(call(support::kRead, zstrings({path_ + "/tx"}), tx) == value, "READ in it");
      const std::string ended = call(support::kTransactionEnd, zstrings({"T"}), tx);
      check(ended == ok, "END: " + ended);
      check(call(support::kRead, zstrings({path_ + "/tx"})) == value, "READ of what was committed");
    }
  }

  std::string path_;
  WireClient client_;
};

TEST_F(LiveUpdate, H5_UnderLoadNobodyNoticesAndNothingIsLost) {
  const std::string even = copy_of_ours("even");
  const std::string odd = copy_of_ours("odd");
  std::vector<std::unique_ptr<Counting>> clients;
  std::vector<std::thread> threads;
  std::atomic<bool> stop = false;
  for (int i = 0; i < 6; ++i) {
    clients.push_back(std::make_unique<Counting>(supervisor.socket_path(), i));
    threads.emplace_back([&stop, client = clients.back().get()] { client->run(stop); });
  }
  constexpr int kUpdates = 8;
  for (int i = 0; i < kUpdates; ++i) {
    std::this_thread::sleep_for(100ms);
    const std::string next = i % 2 == 0 ? even : odd;
    const Result result = update({next});
    EXPECT_EQ(result.code, 0) << result.output;
    EXPECT_EQ(program(), next);
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  for (const auto& client : clients) {
    EXPECT_EQ(client->problem, "");
    EXPECT_GT(client->rounds, kUpdates);
  }
}

}  // namespace
}  // namespace vxs::test
