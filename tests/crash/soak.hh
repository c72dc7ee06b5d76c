// Kill, restart, verify: the soak's one loop.
#pragma once

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/crash/load_client.hh"
#include "tests/crash/soak_options.hh"
#include "tests/support/vxenstored_process.hh"

namespace vxs::test {

class Soak {
 public:
  explicit Soak(const SoakOptions& options);

  // All kills. Throws std::runtime_error with what was lost or is broken.
  void run();
  // "50 kills, 12345 acknowledged changes verified, …"
  [[nodiscard]] std::string statistics() const;
  // What the daemon printed, for a failure's report.
  [[nodiscard]] std::string output() const { return daemon_.output(); }

 private:
  using Milliseconds = std::chrono::duration<double, std::milli>;

  void set_up();
  void load_and_kill();
  void restart();
  void verify();
  void check_repository();
  void remember_head();
  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  SoakOptions options_;
  std::mt19937_64 random_;
  SharedLoad shared_;
  std::vector<std::unique_ptr<LoadClient>> clients_;
  support::VxenstoredProcess daemon_;
  std::set<std::string> heads_;  // commits that `main` once named
  std::uint64_t last_seq_ = 0;
  std::uint64_t verified_ = 0;
  int kills_in_recovery_ = 0, kills_in_shutdown_ = 0, checks_ = 0;
  std::vector<double> restarts_ms_;
  double slowest_catch_up_ms_ = 0;
};

}  // namespace vxs::test
