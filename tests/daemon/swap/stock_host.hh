// The packaged C daemon on a fake machine, to be replaced by vxenstored in its own process, and
// back.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/fake_machine.hh"
#include "tests/support/stock_daemon.hh"
#include "tests/support/temp_dir.hh"
#include "tests/support/wire_client.hh"

namespace vxs::test {

class StockHost {
 public:
  StockHost();
  // Ends whatever runs there.
  ~StockHost();
  StockHost(const StockHost&) = delete;
  StockHost& operator=(const StockHost&) = delete;

  static std::string our_binary();
  static std::string stock_binary() { return "/usr/lib/xen-4.17/bin/xenstored"; }

  // CONTROL live-update by itself; what the daemon answered, without its NUL.
  static std::string control(support::WireClient& client, std::vector<std::string> words);
  // `xenstore-control live-update BINARY` with more words for -s. "OK", or what was refused.
  static std::string live_update(support::WireClient& client, const std::string& binary,
                                 const std::vector<std::string>& start = {});

  [[nodiscard]] std::string socket_path() const { return stock_.socket_path(); }
  // Of the process that everybody knows.
  [[nodiscard]] pid_t pid() const { return stock_.pid(); }
  // Its wait status, once it ended.
  std::optional<int> wait(std::chrono::milliseconds patience) {
    return stock_.process().wait(patience);
  }
  // Whatever runs here: it, daemons below it, supervisors that followed.
  [[nodiscard]] std::vector<pid_t> processes() const;
  // Everything both daemons printed.
  [[nodiscard]] std::string output() const;
  [[nodiscard]] std::string dir() const { return dir_.path(); }
  [[nodiscard]] support::FakeMachine& machine() { return machine_; }

 private:
  support::FakeMachine machine_;
  support::TempDir dir_{"/dev/shm"};
  support::StockDaemon stock_;
};

}  // namespace vxs::test
