// A client program run to its end against the daemon of a test.
#pragma once

#include <string>
#include <vector>

namespace vxs::conformance {

struct ClientResult {
  int exit_code = -1;  ///< -1: killed by a signal, or still running after 30 s
  std::string output;  ///< stdout and stderr
};

/// Runs argv with XENSTORED_RUNDIR=`rundir`. `environment` adds "NAME=value" entries.
ClientResult run_client(const std::string& rundir, const std::vector<std::string>& argv,
                        const std::vector<std::string>& environment = {});

}  // namespace vxs::conformance
