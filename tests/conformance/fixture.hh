// One daemon per test suite; each test has a directory of its own in it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "tests/conformance/client.hh"
#include "tests/support/vxenstored_process.hh"

namespace vxs::conformance {

using namespace support;  // the message types and the process, which every test names
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Conformance : public testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();

  [[nodiscard]] static VxenstoredProcess& daemon() { return *daemon_; }
  [[nodiscard]] static Client connect() { return Client(daemon_->socket_path()); }

  /// "/<name of the test>" and `below`: a place no other test of the suite knows.
  [[nodiscard]] static std::string at(const std::string& below = "");

  /// Waits until `condition` holds; false after five seconds.
  template <typename Condition>
  static bool eventually(Condition condition) {
    for (int i = 0; i < 500; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return condition();
  }

  /// Whether the daemon's log has `text`; it is written by a thread of its own.
  static bool logged(const std::string& text) {
    return daemon_->output().find(text) != std::string::npos;
  }

  /// The value of `key` in CONTROL vxs-status.
  static std::string status(Client& client, const std::string& key);

 private:
  static std::unique_ptr<VxenstoredProcess> daemon_;
};

}  // namespace vxs::conformance
