// The listening socket (conformance A1, A3, A4).
#pragma once

#include <string>

#include "daemon/process/descriptor.hh"
#include "daemon/process/file_lock.hh"
#include "daemon/process/start_error.hh"

namespace vxs::process {

/// Connections that wait for accept(). The kernel caps it at net.core.somaxconn.
inline constexpr int kListenBacklog = 1024;

/// A bound, listening, non-blocking, close-on-exec stream socket of mode 0600, and the lock that
/// keeps two starting instances from taking the name from each other. The name is left behind, as
/// by the C daemon: a client then sees ECONNREFUSED, and the next start removes it.
class ListenSocket {
 public:
  /// First connects: whoever answers at `path` keeps it, and is named in the error (SO_PEERCRED).
  /// Only then unlinks what is stale. Anything that is no socket is not touched. Errors: in use;
  /// name too long (over 107 bytes); not a socket; system calls.
  [[nodiscard]] static StartResult<ListenSocket> open(const std::string& path);

  /// The socket that an earlier process of ours opened at `path`, and a supervisor kept. Errors:
  /// the lock is held; system calls.
  [[nodiscard]] static StartResult<ListenSocket> adopt(const std::string& path, Descriptor socket);

  [[nodiscard]] int fd() const noexcept { return socket_.get(); }

 private:
  ListenSocket(FileLock lock, Descriptor socket)
      : lock_(std::move(lock)), socket_(std::move(socket)) {}
  FileLock lock_;  ///< on "<path>.lock", a file that is never removed
  Descriptor socket_;
};

}  // namespace vxs::process
