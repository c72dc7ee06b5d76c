// A supervised daemon that is updated with the packaged xenstore-control.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/child_process.hh"
#include "tests/support/fake_machine.hh"
#include "tests/support/vxenstored_process.hh"
#include "tests/support/wire_client.hh"

namespace vxs::test {

using namespace std::chrono_literals;
using support::FrameClient;
using support::WireClient;
using support::zstrings;

/// A running `xenstore-control live-update`.
class Asking {
 public:
  Asking(const std::string& rundir, const std::vector<std::string>& words);
  /// Its exit code; -1 after a signal, or if it does not end. 0: the update took place, 3: it did
  /// not, and output() says why.
  int end(std::chrono::milliseconds patience = 60s);
  [[nodiscard]] std::string output() const;

 private:
  std::string output_;
  support::ChildProcess process_;
};

class LiveUpdate : public testing::Test {
 protected:
  /// `machine`: of support::FakeMachine, for guests.
  explicit LiveUpdate(std::vector<std::string> more = {}, const std::string& parent = "/dev/shm",
                      const std::string& machine = "");
  ~LiveUpdate() override;
  void TearDown() override;

  static bool eventually(const std::function<bool()>& condition);
  /// The daemon's pid; waits until there is one.
  [[nodiscard]] pid_t daemon() const;
  /// The supervisor's; the daemon is the first.
  [[nodiscard]] std::vector<pid_t> children() const;
  /// The file it runs.
  [[nodiscard]] std::string program() const;
  /// SIGKILL; returns when it is gone.
  void kill_daemon() const;

  /// A copy of our program, in the test's directory.
  std::string copy_of_ours(const std::string& name) const;
  /// What the dummy does when it is started.
  void let_dummy(const std::string& mode) const;
  [[nodiscard]] static std::string dummy();

  struct Result {
    int code = -1;
    std::string output;
  };
  [[nodiscard]] Result update(std::vector<std::string> words) const;
  /// Once more after a failure: the old program is there, and was never away for its clients.
  void expect_the_old_one_goes_on(pid_t before);

  [[nodiscard]] WireClient client() const { return WireClient(supervisor.socket_path()); }
  static std::string write(FrameClient& client, std::string_view path, std::string_view value,
                           std::uint32_t tx = 0);
  static std::string read(FrameClient& client, std::string_view path, std::uint32_t tx = 0);
  static std::uint32_t begin(FrameClient& client);
  static std::string commit(FrameClient& client, std::uint32_t tx);

  support::VxenstoredProcess supervisor;
};

/// A base beside LiveUpdate, named before it: the machine is there before the daemon, and after it.
class WithMachine {
 protected:
  support::FakeMachine machine_;
};

}  // namespace vxs::test
