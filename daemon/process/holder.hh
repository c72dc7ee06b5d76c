// Names the process that holds what we want.
#pragma once

#include <sys/types.h>

#include <string>

namespace vxs::process {

/// "pid 123 (/usr/sbin/xenstored --pid-file …)": the command line escaped and cut at 200 bytes.
/// Says so where the process is gone or of another pid namespace (pid 0).
[[nodiscard]] std::string describe_process(pid_t pid);

}  // namespace vxs::process
