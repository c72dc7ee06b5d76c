#include "daemon/swap/left_behind.hh"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

namespace vxs::swap {
namespace {

std::optional<int> option_of(int fd, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  if (::getsockopt(fd, SOL_SOCKET, name, &value, &size) != 0) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::string> check_socket(int fd, bool listening) {
  const std::string name = "descriptor " + std::to_string(fd);
  const auto domain = option_of(fd, SO_DOMAIN);
  if (!domain) return name + " is no socket: " + std::strerror(errno);
  if (domain != AF_UNIX || option_of(fd, SO_TYPE) != SOCK_STREAM) {
    return name + " is no stream socket of this machine";
  }
  if ((option_of(fd, SO_ACCEPTCONN) != 0) != listening) {
    return name + (listening ? " does not listen" : " listens");
  }
  return std::nullopt;
}

void make_ours(int fd) {
  (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);
  (void)::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void close_others(const std::set<int>& wanted) {
  std::vector<int> others;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const std::string name = entry.path().filename().string();
    int fd = -1;
    (void)std::from_chars(name.data(), name.data() + name.size(), fd);
    if (fd <= STDERR_FILENO || wanted.contains(fd)) continue;
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) others.push_back(fd);
  }
  for (const int fd : others) ::close(fd);
}

}  // namespace vxs::swap
