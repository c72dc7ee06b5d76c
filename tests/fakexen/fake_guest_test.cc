// The program fake-guest, on the packaged C daemon: guests in processes of their own work and are
// served while others abuse their rings.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <fstream>
#include <iterator>
#include <optional>
#include <thread>
#include <vector>

#include "tests/support/child_process.hh"
#include "tests/support/daemon_ready.hh"
#include "tests/support/fake_guest.hh"
#include "tests/support/fake_machine.hh"
#include "tests/support/requests.hh"
#include "tests/support/stock_daemon.hh"
#include "tests/support/wire_client.hh"

namespace vxs::fakexen {
namespace {

using namespace support;

class FakeGuestProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    daemon_.emplace(StockDaemon::start_c(dir_.path(), "", machine_.dir()));
  }

  // A domain with a home, introduced, and its program.
  ChildProcess guest(uint32_t domid, const std::string& mode, const std::string& seconds) {
    machine_.create_domain(domid);
    WireClient dom0(daemon_->socket_path());
    EXPECT_EQ(make_home(dom0, domid), "");
    const std::string number = std::to_string(domid);
    const FakeGuest ring(machine_.machine(), domid);
    EXPECT_FALSE(dom0.call(kIntroduce, ring.introduction()).is_error());
    Command command;
    command.argv = {required_env("VXS_BUILD_DIR") + "/tests/fakexen/fake-guest",
                    "--machine",
                    machine_.dir(),
                    "--domid",
                    number,
                    "--mode",
                    mode,
                    "--seconds",
                    seconds,
                    "--seed",
                    number};
    command.output = output(domid);
    return ChildProcess(command);
  }
  [[nodiscard]] std::string output(uint32_t domid) const {
    return dir_.path() + "/guest." + std::to_string(domid);
  }
  [[nodiscard]] std::string said(uint32_t domid) const {
    std::ifstream file(output(domid));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static bool succeeded(ChildProcess& process) {
    const auto status = process.wait(std::chrono::seconds(30));
    return status && WIFEXITED(*status) && WEXITSTATUS(*status) == 0;
  }

  FakeMachine machine_;
  TempDir dir_;
  std::optional<StockDaemon> daemon_;
};

TEST_F(FakeGuestProgram, BusyGuestsInProcessesOfTheirOwnAreAnsweredRightly) {
  std::vector<ChildProcess> guests;
  for (uint32_t domid = 1; domid <= 3; ++domid) guests.push_back(guest(domid, "busy", "0.5"));
  for (uint32_t domid = 1; domid <= 3; ++domid) {
    EXPECT_TRUE(succeeded(guests[domid - 1])) << said(domid);
    EXPECT_EQ(said(domid).find("requests "), 0U) << said(domid);
  }
}

TEST_F(FakeGuestProgram, HostileGuestsDoNotKeepOthersFromBeingServed) {
  std::vector<ChildProcess> hostile;
  uint32_t domid = 1;
  for (const char* mode : {"indices", "overlong", "noise", "deaf"}) {
    hostile.push_back(guest(domid++, mode, "0.5"));
  }
  ChildProcess busy = guest(domid, "busy", "0.5");
  EXPECT_TRUE(succeeded(busy)) << said(domid);
  for (ChildProcess& process : hostile) EXPECT_TRUE(succeeded(process));
  EXPECT_FALSE(WireClient(daemon_->socket_path()).call(kRead, zstrings({"/"})).is_error());
}

TEST_F(FakeGuestProgram, ABusyGuestFailsWhenItsDaemonDies) {
  ChildProcess busy = guest(1, "busy", "60");
  daemon_->process().kill9();
  machine_.destroy(1);  // or it would wait ten seconds for its answer
  const auto status = busy.wait(std::chrono::seconds(30));
  ASSERT_TRUE(status);
  EXPECT_EQ(WEXITSTATUS(*status), 1) << said(1);
}

TEST_F(FakeGuestProgram, AKilledGuestLeavesTheMachineUsable) {
  for (uint32_t domid = 1; domid <= 5; ++domid) {
    ChildProcess busy = guest(domid, "busy", "60");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    busy.kill9();
  }
  ChildProcess last = guest(6, "busy", "0.2");
  EXPECT_TRUE(succeeded(last)) << said(6);
}

}  // namespace
}  // namespace vxs::fakexen
