// Everything of which there may be one user only: locks, pid file, socket.
#pragma once

#include <optional>

#include "daemon/config/config.hh"
#include "daemon/process/file_lock.hh"
#include "daemon/process/listen_socket.hh"
#include "daemon/process/pid_file.hh"
#include "daemon/process/start_error.hh"

namespace vxs::process {

/// Name of the lock file in the state and in the journal directory.
inline constexpr const char* kLockName = ".lock";

/// Take it after daemonize() (the locks do not survive a fork) and before the journal is opened.
/// Clients can connect from then on: they wait in the queue during recovery instead of failing.
class Instance {
 public:
  /// Prepares the directories, locks state directory, journal directory and pid file, and opens
  /// the socket, unless there is one that a supervisor `kept` for us. Errors: which resource, and
  /// who holds it (pid and command line).
  [[nodiscard]] static StartResult<Instance> acquire(const config::Config& config,
                                                     Descriptor kept = {});

  /// Non-blocking; stays owned by this object.
  [[nodiscard]] int listen_fd() const noexcept { return socket_.fd(); }

  /// Writes the pid file, if one is configured: the pid that signals go to. Call it when requests
  /// can be answered.
  [[nodiscard]] StartResult<void> publish_pid(pid_t pid);

  /// For an orderly end: removes the pid file.
  void retire() noexcept;

 private:
  Instance(FileLock state, FileLock journal, std::optional<PidFile> pid_file, ListenSocket socket)
      : state_(std::move(state)),
        journal_(std::move(journal)),
        pid_file_(std::move(pid_file)),
        socket_(std::move(socket)) {}
  FileLock state_;
  FileLock journal_;
  std::optional<PidFile> pid_file_;
  ListenSocket socket_;
};

}  // namespace vxs::process
