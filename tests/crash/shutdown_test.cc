// What happens while the daemon stops is kept like everything before it.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/fake_guest.hh"
#include "tests/support/fake_machine.hh"
#include "tests/support/vxenstored_process.hh"
#include "tests/support/wire_client.hh"

namespace vxs::support {
namespace {

// Domains that ended while the history was brought up to date were recorded and never flushed: the
// last checkpoint was not written.
TEST(Shutdown, Bug_WhatHappensWhileHistoryIsPumpedIsFlushed) {
  constexpr std::uint32_t kGuests = 60;
  FakeMachine machine;
  VxenstoredProcess daemon({.args = {"--durability", "disk"}, .machine = machine.dir()});
  {
    WireClient dom0(daemon.socket_path());
    for (std::uint32_t domid = 1; domid <= kGuests; ++domid) {
      machine.create_domain(domid);
      const FakeGuest guest(machine.machine(), domid);
      ASSERT_EQ(dom0.call(kIntroduce, guest.introduction()).error(), "");
    }
  }
  std::thread toolstack([&] {
    for (std::uint32_t domid = 1; domid <= kGuests; ++domid) {
      machine.destroy(domid);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  const auto status = daemon.terminate();
  toolstack.join();
  EXPECT_EQ(status, 0);
  EXPECT_EQ(daemon.output().find("did not become safe"), std::string::npos) << daemon.output();
}

}  // namespace
}  // namespace vxs::support
