// Names the process that holds what we want.
#pragma once

#include <sys/types.h>

#include <string>

namespace vxs::process {

/// "pid 123 (/usr/sbin/xenstored --pid-file …)": the command line escaped and cut at 200 bytes.
/// Says so where the process is gone or of another pid namespace (pid 0).
[[nodiscard]] std::string describe_process(pid_t pid);

/// True while a process is on its way out: killed, exiting or a zombie. Its files and locks go one
/// by one, when its last thread ends, which may be a while after kill(1) returned.
[[nodiscard]] bool is_ending(pid_t pid);

/// Decides how long a second instance waits for the first: up to ten seconds for one that is
/// ending (kill -9 and an immediate restart must work), else a tenth of a second, in case the
/// signal is only just on its way.
class HolderPatience {
 public:
  /// Sleeps a little and returns true if it is worth another try; false: the holder stays.
  [[nodiscard]] bool wait_for(pid_t pid);

 private:
  int waits_ = 0;
  int waits_for_living_ = 0;
};

}  // namespace vxs::process
