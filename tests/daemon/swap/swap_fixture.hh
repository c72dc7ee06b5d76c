// The packaged C daemon on a fake machine, for tests that put vxenstored in its place.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/support/fake_guest.hh"
#include "tests/support/fake_machine.hh"
#include "tests/support/stock_daemon.hh"
#include "tests/support/temp_dir.hh"
#include "tests/support/wire_client.hh"

namespace vxs::test {

class SwapFixture : public testing::Test {
 protected:
  SwapFixture();
  ~SwapFixture() override;
  void TearDown() override;

  [[nodiscard]] support::WireClient client() const {
    return support::WireClient(stock_.socket_path());
  }
  // As dom0's toolstack does it: created, its nodes written, introduced.
  support::FakeGuest guest(std::uint32_t domid);

  static std::string our_binary();
  static std::string stock_binary() { return "/usr/lib/xen-4.17/bin/xenstored"; }

  // CONTROL live-update by itself; what the daemon answered, without its NUL.
  static std::string control(support::WireClient& client, std::vector<std::string> words);
  // `xenstore-control live-update BINARY` with more words for -s. "OK", or what was refused.
  static std::string live_update(support::WireClient& client, const std::string& binary,
                                 const std::vector<std::string>& start = {});

  // Of the process that everybody knows; what it runs, "/usr/…/xenstored".
  [[nodiscard]] std::string program() const;
  // Its children.
  [[nodiscard]] std::vector<pid_t> children() const;
  [[nodiscard]] pid_t pid() const { return stock_.pid(); }
  // Everything both daemons printed.
  [[nodiscard]] std::string output() const;
  [[nodiscard]] std::string dir() const { return dir_.path(); }
  [[nodiscard]] support::FakeMachine& machine() { return machine_; }

  static std::string write(support::FrameClient& client, std::string_view path,
                           std::string_view value, std::uint32_t tx = 0);
  static std::string read(support::FrameClient& client, std::string_view path,
                          std::uint32_t tx = 0);

 private:
  support::FakeMachine machine_;
  support::TempDir dir_{"/dev/shm"};
  support::StockDaemon stock_;
};

}  // namespace vxs::test
