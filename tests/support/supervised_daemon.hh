// The vxenstored of this build below its supervisor, to be killed.
#pragma once

#include <sys/types.h>

#include <chrono>

#include "tests/support/vxenstored_process.hh"

namespace vxs::support {

// Its pid() is the supervisor's.
class SupervisedDaemon : public VxenstoredProcess {
 public:
  // As VxenstoredProcess, but that the wrapper is more options of the supervisor. `backoff_max`:
  // the longest wait before a restart.
  explicit SupervisedDaemon(VxenstoredOptions options = {},
                            std::chrono::milliseconds backoff_max = std::chrono::milliseconds(20));
  // end().
  ~SupervisedDaemon();
  SupervisedDaemon(const SupervisedDaemon&) = delete;
  SupervisedDaemon& operator=(const SupervisedDaemon&) = delete;

  // The daemon that runs now; 0 while there is none.
  [[nodiscard]] pid_t daemon() const;
  // SIGKILL for the next one there is. Throws std::runtime_error if none comes within some seconds.
  pid_t strike_daemon() const;
  // The same; returns when that process is gone, not when there is another one.
  void kill_daemon() const;

  // The same, and the supervisor starts no other until go_on(): it stands still.
  void hold_down();
  void go_on();

  // Ends all there is, in order or by SIGKILL: a daemon whose supervisor is killed starts another.
  void end(std::chrono::milliseconds patience = std::chrono::seconds(10));
};

}  // namespace vxs::support
