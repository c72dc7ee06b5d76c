#include "daemon/process/directories.hh"

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

namespace vxs::process {
namespace {

constexpr mode_t kPublic = 0755;
constexpr mode_t kPrivate = 0700;

bool is_directory(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::string parent_of(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

}  // namespace

StartResult<void> make_directory(const std::string& path, mode_t mode) {
  std::filesystem::path so_far;
  for (const auto& component : std::filesystem::path(path)) {
    so_far /= component;
    const std::string name = so_far.string();
    if (is_directory(name)) continue;
    if (::mkdir(name.c_str(), mode) == 0) {
      // mkdir() obeys the umask; the run directory must be reachable for everybody all the same.
      if (::chmod(name.c_str(), mode) != 0) return start_error("cannot chmod " + name, errno);
    } else if (const int error = errno; error != EEXIST || !is_directory(name)) {
      return start_error("cannot create directory " + name, error == EEXIST ? ENOTDIR : error);
    }
  }
  return {};
}

StartResult<void> prepare_directories(const config::Config& config) {
  if (auto made = make_directory(config.run_dir, kPublic); !made) return made;
  if (auto made = make_directory(parent_of(config.socket_path), kPublic); !made) return made;
  if (!config.pid_file.empty()) {
    if (auto made = make_directory(parent_of(config.pid_file), kPublic); !made) return made;
  }
  if (auto made = make_directory(config.state_dir, kPrivate); !made) return made;
  return make_directory(config.journal_dir, kPrivate);
}

}  // namespace vxs::process
