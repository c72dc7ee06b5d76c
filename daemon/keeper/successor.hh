// Starts another supervisor when the one there was has died.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "daemon/process/descriptor.hh"

namespace vxs::keeper {

/// How to start a supervisor like the one that started us: its binary, held open, and its command
/// line. One thread.
class Successor {
 public:
  /// None: spawn() fails.
  Successor() = default;
  /// Looks at a living supervisor. None if it cannot be looked at.
  [[nodiscard]] static Successor like(pid_t supervisor);

  /// Starts it as a child of this process with VXENSTORED_SUPERVISOR_ADOPT in its environment, and
  /// returns our end of the socket pair. None if that fails, after a line in the log. Reaps the one
  /// it started before.
  [[nodiscard]] process::Descriptor spawn();

 private:
  process::Descriptor binary_;
  std::vector<std::string> arguments_;
  pid_t spawned_ = -1;
};

}  // namespace vxs::keeper
