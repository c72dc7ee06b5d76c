// The pid file (conformance I5, I8).
#pragma once

#include <sys/types.h>

#include <string>

#include "daemon/process/file_lock.hh"
#include "daemon/process/start_error.hh"

namespace vxs::process {

/// Locked from open() on, so that a second instance is told who holds it; empty until publish().
class PidFile {
 public:
  /// Creates (0600) or takes over and empties the file. Errors: held by another process; system
  /// calls.
  [[nodiscard]] static StartResult<PidFile> open(const std::string& path);

  /// Writes `pid`, decimal and a newline, by one write: a launcher that finds bytes finds all. Call
  /// it when the socket listens.
  [[nodiscard]] StartResult<void> publish(pid_t pid);

  /// For an orderly end: removes the file (the launcher refuses to start while one is there, I5).
  void remove() noexcept;

 private:
  PidFile(std::string path, FileLock lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  std::string path_;
  FileLock lock_;
};

}  // namespace vxs::process
