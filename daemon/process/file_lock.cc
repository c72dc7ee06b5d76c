#include "daemon/process/file_lock.hh"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "daemon/process/holder.hh"

namespace vxs::process {
namespace {

struct flock whole_file(bool exclusive = true) {
  struct flock lock {};
  lock.l_type = exclusive ? F_WRLCK : F_RDLCK;
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
  HolderPatience patience;
  for (;;) {
    Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    // On a read-only file system the state can still be served, and the kernel gives a lock against
    // those who write.
    const bool read_only = !file && errno == EROFS;
    if (read_only) file.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file) return start_error("cannot open " + resource + " " + path, errno);
    struct flock lock = whole_file(!read_only);
    if (::fcntl(file.get(), F_SETLK, &lock) == 0) {
      if (still_named(file.get(), path)) return FileLock(std::move(file));
    } else if (errno != EACCES && errno != EAGAIN) {
      return start_error("cannot lock " + resource + " " + path, errno);
    }
    // Held, or the name was replaced under us. Nobody holds it any more: 0, an unknown holder.
    struct flock held = whole_file();
    const bool is_held = ::fcntl(file.get(), F_GETLK, &held) == 0 && held.l_type != F_UNLCK;
    const pid_t holder = is_held ? held.l_pid : 0;
    if (!patience.wait_for(holder)) {
      return start_error(resource + " " + path + " is in use by " + describe_process(holder));
    }
  }
}

}  // namespace vxs::process
