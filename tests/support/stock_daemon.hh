// The packaged daemons of Xen 4.17 behind libfakexen.so.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/support/child_process.hh"

namespace vxs::support {

class StockDaemon {
 public:
  // Starts the daemon in the foreground with all its files in `rundir` (which
  // exists or is made) and waits until READ / answers. `domains` are the
  // domids the fake hypervisor knows besides 0 ("1,2,5-9"), without rings;
  // `machine` is the directory of the fake machine, by default a new one in
  // `rundir` (support/fake_machine.hh). The library is
  // taken from $FAKEXEN_LIB or $VXS_BUILD_DIR, the script run-stock from
  // $VXS_SOURCE_DIR. Throws std::runtime_error with the daemon's output when
  // it does not come up within 10 s, and with what to install or build if something is missing.
  // `options` are added to the command line.
  static StockDaemon start_c(const std::string& rundir, const std::string& domains = "",
                             const std::string& machine = "",
                             const std::vector<std::string>& options = {});
  static StockDaemon start_oxenstored(const std::string& rundir, const std::string& domains = "",
                                      const std::string& machine = "");

  [[nodiscard]] pid_t pid() const { return process_.pid(); }
  [[nodiscard]] const std::string& socket_path() const { return socket_path_; }
  [[nodiscard]] ChildProcess& process() { return process_; }

 private:
  StockDaemon(const std::string& kind, const std::string& rundir, const std::string& domains,
              const std::string& machine, const std::vector<std::string>& options = {});

  std::string socket_path_;
  ChildProcess process_;
};

}  // namespace vxs::support
