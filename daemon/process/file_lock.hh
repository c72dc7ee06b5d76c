// A lock file that names its holder.
#pragma once

#include <string>

#include "daemon/process/descriptor.hh"
#include "daemon/process/start_error.hh"

namespace vxs::process {

/// Holds a POSIX write lock (as the C daemon's lockf does on its pid file, I8) on a whole file,
/// for as long as it lives. POSIX, because only F_GETLK tells who holds it; therefore: take it
/// in the process that keeps it (it does not survive fork), and let nothing else of the process
/// open and close the file.
class FileLock {
 public:
  /// Opens or creates (0600) `path` and locks it. `resource` is for the error: "<resource>
  /// <path> is in use by pid …". A holder that is just being killed is waited for (holder.hh).
  /// Errors: cannot open; held by another process.
  [[nodiscard]] static StartResult<FileLock> acquire(const std::string& path,
                                                     const std::string& resource);

  [[nodiscard]] int fd() const noexcept { return file_.get(); }

 private:
  explicit FileLock(Descriptor file) : file_(std::move(file)) {}
  Descriptor file_;
};

}  // namespace vxs::process
