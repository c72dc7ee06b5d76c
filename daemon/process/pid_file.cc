#include "daemon/process/pid_file.hh"

#include <unistd.h>

#include <cerrno>

namespace vxs::process {

StartResult<PidFile> PidFile::open(const std::string& path) {
  auto lock = FileLock::acquire(path, "pid file");
  if (!lock) return tl::make_unexpected(std::move(lock).error());
  if (::ftruncate(lock->fd(), 0) != 0) return start_error("cannot empty pid file " + path, errno);
  return PidFile(path, *std::move(lock));
}

StartResult<void> PidFile::publish(pid_t pid) {
  const std::string text = std::to_string(pid) + "\n";
  const ssize_t written = ::pwrite(lock_.fd(), text.data(), text.size(), 0);
  if (written != static_cast<ssize_t>(text.size())) {
    return start_error("cannot write pid file " + path_, written < 0 ? errno : ENOSPC);
  }
  return {};
}

void PidFile::remove() noexcept { ::unlink(path_.c_str()); }

}  // namespace vxs::process
