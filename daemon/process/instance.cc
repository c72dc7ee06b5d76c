#include "daemon/process/instance.hh"

#include <utility>

#include "daemon/process/directories.hh"

namespace vxs::process {
namespace {

StartResult<FileLock> lock_directory(const std::string& directory, const char* resource) {
  return FileLock::acquire(directory + "/" + kLockName, std::string(resource) + " lock");
}

}  // namespace

StartResult<Instance> Instance::acquire(const config::Config& config, Descriptor kept) {
  if (auto made = prepare_directories(config); !made) {
    return tl::make_unexpected(std::move(made).error());
  }
  auto state = lock_directory(config.state_dir, "state directory");
  if (!state) return tl::make_unexpected(std::move(state).error());
  auto journal = lock_directory(config.journal_dir, "journal directory");
  if (!journal) return tl::make_unexpected(std::move(journal).error());
  std::optional<PidFile> pid_file;
  if (!config.pid_file.empty()) {
    auto opened = PidFile::open(config.pid_file);
    if (!opened) return tl::make_unexpected(std::move(opened).error());
    pid_file = *std::move(opened);
  }
  auto socket = kept ? ListenSocket::adopt(config.socket_path, std::move(kept))
                     : ListenSocket::open(config.socket_path);
  if (!socket) return tl::make_unexpected(std::move(socket).error());
  return Instance(*std::move(state), *std::move(journal), std::move(pid_file), *std::move(socket));
}

StartResult<void> Instance::publish_pid(pid_t pid) {
  return pid_file_ ? pid_file_->publish(pid) : StartResult<void>{};
}

void Instance::retire() noexcept {
  if (pid_file_) pid_file_->remove();
}

}  // namespace vxs::process
