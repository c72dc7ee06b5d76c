// Kills the daemon again and again, and sees when it serves again.
#pragma once

#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "tests/crash/kept/crowd.hh"
#include "tests/crash/kept/host.hh"
#include "tests/crash/kept/link.hh"
#include "tests/crash/kept/point_plan.hh"

namespace vxs::test::kept {

class Killer {
 public:
  // `connect` is for a connection of its own, which asks after each kill.
  Killer(const Options& options, Host& host, Crowd& crowd, Connect connect);

  // What is due now. Throws Violation if the daemon does not come again or closes.
  void turn(Time now);
  // Descriptors that say that turn() has something to do.
  [[nodiscard]] std::vector<int> descriptors() const;
  // How long nothing is due.
  [[nodiscard]] std::chrono::milliseconds idle(Time now) const;

  // It struck as often as it should.
  [[nodiscard]] bool is_done() const;
  [[nodiscard]] bool serves() const { return phase_ == Phase::kServing; }
  [[nodiscard]] bool connected() const { return link_ != nullptr; }
  // The next kill counts from now.
  void rest(Time now);
  [[nodiscard]] std::uint64_t in_recovery() const { return in_recovery_; }
  // Of --crash-points; "" without. Throws Violation if the supervisor saw other deaths there.
  [[nodiscard]] std::string points() const;

 private:
  enum class Phase : std::uint8_t { kServing, kDying, kDown };

  void kill(Time now);
  void ask_for_update();
  void send();
  void on_death(Time now);
  void on_served(Time now);
  void watch_recovery(Time now);
  void connect();
  void ask();
  void listen(Time now);
  void lost(Time now);
  Time soon(Time now);

  const Options& options_;
  Host& host_;
  Crowd& crowd_;
  Connect connect_;
  std::mt19937_64 random_;
  std::unique_ptr<Link> link_;
  std::optional<Conversation> talk_;
  Phase phase_ = Phase::kServing;
  Pidfd victim_;
  Time killed_at_{}, kill_at_{}, try_at_{};
  bool again_ = false;  // kill it in recovery
  std::optional<Time> kill_again_at_;
  std::uint64_t in_recovery_ = 0;
  std::optional<PointPlan> plan_;
};

}  // namespace vxs::test::kept
