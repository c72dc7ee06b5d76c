#include "daemon/process/file_lock.hh"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "daemon/process/holder.hh"

namespace vxs::process {
namespace {

constexpr int kAttempts = 10;

struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

/// True if `path` still names the open file: its last holder may have removed it between our
/// open() and our lock, and a lock on a file without a name protects nothing.
bool still_named(int fd, const std::string& path) {
  struct stat opened {};
  struct stat named {};
  return ::fstat(fd, &opened) == 0 && ::stat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

}  // namespace

StartResult<FileLock> FileLock::acquire(const std::string& path, const std::string& resource) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return start_error("cannot open " + resource + " " + path, errno);
    struct flock lock = whole_file();
    if (::fcntl(file.get(), F_SETLK, &lock) == 0) {
      if (still_named(file.get(), path)) return FileLock(std::move(file));
      continue;
    }
    if (errno != EACCES && errno != EAGAIN) {
      return start_error("cannot lock " + resource + " " + path, errno);
    }
    struct flock held = whole_file();
    if (::fcntl(file.get(), F_GETLK, &held) == 0 && held.l_type != F_UNLCK) {
      return start_error(resource + " " + path + " is in use by " + describe_process(held.l_pid));
    }
    // Its holder let go in between: try again.
  }
  return start_error(resource + " " + path + " keeps changing hands");
}

}  // namespace vxs::process
