// One client of the soak: random requests in a subtree of its own, a model of what the daemon
// acknowledged, and what may have become of the one request that was under way at the kill.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/crash/model.hh"
#include "tests/support/wire_client.hh"

namespace vxs::test {

// What all clients of a soak share.
struct SharedLoad {
  explicit SharedLoad(std::size_t clients) : counters_seen(clients) {}
  // The next drop of a connection is the kill.
  std::atomic<bool> killing{false};
  // Increments of /soak/shared that were acknowledged, and that were under way at the kill.
  std::atomic<std::uint64_t> increments{0}, increments_open{0};
  // The highest value of each client's counter that *another* client was told: it must survive.
  std::vector<std::atomic<std::uint64_t>> counters_seen;
  std::atomic<std::uint64_t> conflicts{0};
};

class LoadClient {
 public:
  // `lossy`: with --durability memory an older state may come back; all of them are kept.
  LoadClient(std::size_t number, std::uint64_t seed, bool lossy, SharedLoad& shared);

  [[nodiscard]] const std::string& root() const { return model_.root(); }

  // A thread's body: requests until the daemon is killed.
  void run(const std::string& socket_path);
  // What went wrong in run(), "" if nothing.
  [[nodiscard]] const std::string& failure() const { return failure_; }

  // After a restart: "" if the subtree is what was acknowledged (with or without the request under
  // way), else what is wrong. Goes on from what it found.
  std::string verify(const StoreDump& dump);
  // Requests that changed something and were acknowledged since the last call.
  std::uint64_t take_acknowledged();

 private:
  void one_request(support::WireClient& client);
  void change(support::WireClient& client);
  void transaction(support::WireClient& client);
  void increment_shared(support::WireClient& client);
  void read_own(support::WireClient& client);
  void read_others(support::WireClient& client);
  ModelRequest random_request();
  std::string random_path();
  void send(support::WireClient& client, Model& model, const ModelRequest& request,
            std::uint32_t tx_id);
  void acknowledge();
  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  std::size_t number_;
  bool lossy_;
  SharedLoad& shared_;
  std::mt19937_64 random_;
  Model model_;
  std::optional<Model> after_;  // model_ with the request under way
  std::vector<Model> past_;     // lossy_: every acknowledged state since the last restart
  std::uint64_t counter_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::string failure_;
};

}  // namespace vxs::test
