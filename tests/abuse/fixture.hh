// A host under attack: a fake machine, vxenstored on it as a process of its own, dom0 on the
// socket, a guest that behaves and guests that do not. What is measured and demanded is said in
// docs/abuse.md.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/abuse/talk.hh"
#include "tests/support/fake_guest.hh"
#include "tests/support/fake_machine.hh"
#include "tests/support/vxenstored_process.hh"
#include "tests/support/wire_client.hh"

namespace vxs::abuse {

using namespace support;  // message types, guests and the process, which every test names
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr long kKiB = 1024;
constexpr long kMiB = 1024 * kKiB;

/// How long READs took, without the time in which either side waited for a processor.
struct Latency {
  microseconds median{};
  microseconds p99{};
};

class Abuse : public testing::Test {
 protected:
  /// The domain of the guest that behaves, and the first that does not.
  static constexpr std::uint32_t kGood = 1;
  static constexpr std::uint32_t kBad = 2;

  /// `args` for the daemon's command line.
  explicit Abuse(std::vector<std::string> args = {});
  /// Starts the daemon and the good guest, and measures what it and dom0 get while nobody else is
  /// there.
  void SetUp() override;
  /// Destroys every guest and demands: the daemon is alive, CONTROL check is OK, and no node,
  /// watch, transaction or domain is left of them.
  void TearDown() override;

  /// A domain with a home of its own, as a toolstack makes it, introduced. Uses toolstack().
  FakeGuest& add_guest(std::uint32_t domid);
  /// The home, and what else a guest's domid needs before INTRODUCE.
  void make_home(std::uint32_t domid);
  [[nodiscard]] FakeGuest& guest(std::uint32_t domid) { return *guests_.at(domid); }
  [[nodiscard]] FakeGuest& good() { return guest(kGood); }
  [[nodiscard]] WireClient& dom0() { return *dom0_; }
  /// A second socket, for the thread of beside()'s acts.
  [[nodiscard]] WireClient& toolstack() { return *toolstack_; }
  /// After a restart of the daemon.
  void reconnect_dom0();
  [[nodiscard]] FakeMachine& machine() { return machine_; }
  [[nodiscard]] VxenstoredProcess& daemon() { return *daemon_; }
  static std::string home(std::uint32_t domid, const std::string& below = "");

  /// INTRODUCE for a guest that is there; the answer.
  std::string introduce(FakeGuest& guest);
  /// The domain dies, and its page is let go of.
  void destroy(const std::vector<std::uint32_t>& domids);
  void destroy(std::uint32_t domid) { destroy(std::vector<std::uint32_t>{domid}); }

  /// Does `act` again and again in a thread of its own and meanwhile lets the good guest and dom0
  /// read: what they get is within the limits, and so is the daemon's memory, which may grow by
  /// `memory_bound` bytes. A WireError ends the acts. How many there were.
  long beside(const std::function<void()>& act, long memory_bound = kMemoryBound);

  /// Waits until `condition` holds; false after five seconds.
  template <typename Condition>
  static bool eventually(Condition condition) {
    for (int i = 0; i < 2500; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(milliseconds(2));
    }
    return condition();
  }

  /// What the daemon may grow by whatever one guest does (docs/abuse.md).
  static constexpr long kMemoryBound = 24 * kMiB;

  /// Private memory of the daemon, bytes.
  [[nodiscard]] long memory() const;

 private:
  Latency latency(FrameClient& client, const std::string& path);
  /// The best of some rounds, if the first is not within the limit.
  Latency best_latency(FrameClient& client, const std::string& path, const Latency& limit);
  void demand_within(const char* who, const Latency& alone, const Latency& beside,
                     const Latency& limit);

  std::vector<std::string> args_;
  FakeMachine machine_;
  std::optional<VxenstoredProcess> daemon_;
  std::optional<WireClient> dom0_;
  std::optional<WireClient> toolstack_;
  std::map<std::uint32_t, std::unique_ptr<FakeGuest>> guests_;
  long nodes_before_ = 0;
  long watches_before_ = 0;
  Latency good_alone_;
  Latency dom0_alone_;
};

}  // namespace vxs::abuse
