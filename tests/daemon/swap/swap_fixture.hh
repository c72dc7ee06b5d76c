// The packaged C daemon on a fake machine, for tests that put vxenstored in its place.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/daemon/swap/stock_host.hh"
#include "tests/support/fake_guest.hh"

namespace vxs::test {

class SwapFixture : public testing::Test {
 protected:
  void TearDown() override;

  [[nodiscard]] support::WireClient client() const {
    return support::WireClient(host_.socket_path());
  }
  // As dom0's toolstack does it: created, its nodes written, introduced.
  support::FakeGuest guest(std::uint32_t domid);

  static std::string our_binary() { return StockHost::our_binary(); }
  static std::string stock_binary() { return StockHost::stock_binary(); }
  static std::string control(support::WireClient& client, std::vector<std::string> words) {
    return StockHost::control(client, std::move(words));
  }
  static std::string live_update(support::WireClient& client, const std::string& binary,
                                 const std::vector<std::string>& start = {}) {
    return StockHost::live_update(client, binary, start);
  }

  // From the C daemon to this build and back, if the test is to go on.
  void there();
  void back(const std::vector<std::string>& start = {});

  // Of the process that everybody knows; what it runs, "/usr/…/xenstored".
  [[nodiscard]] std::string program() const;
  // Its children.
  [[nodiscard]] std::vector<pid_t> children() const;
  [[nodiscard]] pid_t pid() const { return host_.pid(); }
  // Everything both daemons printed.
  [[nodiscard]] std::string output() const { return host_.output(); }
  [[nodiscard]] std::string dir() const { return host_.dir(); }
  [[nodiscard]] support::FakeMachine& machine() { return host_.machine(); }
  [[nodiscard]] StockHost& host() { return host_; }

  static std::string write(support::FrameClient& client, std::string_view path,
                           std::string_view value, std::uint32_t tx = 0);
  static std::string read(support::FrameClient& client, std::string_view path,
                          std::uint32_t tx = 0);

 private:
  StockHost host_;
};

}  // namespace vxs::test
