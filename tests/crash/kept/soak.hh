// Load, kills and, from time to time, a census: everybody rests, and all is compared.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/crash/kept/crowd.hh"
#include "tests/crash/kept/host.hh"
#include "tests/crash/kept/killer.hh"
#include "tests/crash/kept/options.hh"
#include "tests/crash/kept/resources.hh"
#include "tests/crash/kept/toolstack.hh"
#include "tests/support/fake_machine.hh"
#include "tests/support/wire_client.hh"

namespace vxs::test::kept {

class Soak {
 public:
  // Starts the daemon and makes the nodes. Throws std::runtime_error.
  explicit Soak(const Options& options);

  // Throws Violation, and std::runtime_error for what else went wrong.
  void run();

  // Killer::points().
  [[nodiscard]] std::string points() const { return killer_->points(); }
  // Several lines.
  [[nodiscard]] std::string summary() const;
  [[nodiscard]] std::string output() const { return host_.output(); }

 private:
  void turn(std::chrono::milliseconds longest, std::vector<int> others);
  void census();
  void become_quiet();
  [[nodiscard]] bool is_quiet() const;
  void compare_pairs(support::WireClient& client);
  void compare_status(support::WireClient& client);
  void let_history_rest();
  void sample_resources();

  Options options_;
  std::unique_ptr<support::FakeMachine> machine_;
  Host host_;
  std::uint64_t own_connections_ = 0;  // of the daemon: dom0's kernel
  std::unique_ptr<Toolstack> toolstack_;
  std::unique_ptr<Crowd> crowd_;
  std::unique_ptr<Killer> killer_;
  Growth daemon_growth_, supervisor_growth_;
  std::uint64_t censuses_ = 0;
  Clock::duration duration_{};
};

}  // namespace vxs::test::kept
