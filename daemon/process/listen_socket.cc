#include "daemon/process/listen_socket.hh"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "daemon/process/holder.hh"

namespace vxs::process {
namespace {

struct Address {
  sockaddr_un un{};
  [[nodiscard]] const sockaddr* get() const noexcept {
    return reinterpret_cast<const sockaddr*>(&un);
  }
};

StartResult<Address> make_address(const std::string& path) {
  Address address;
  if (path.empty() || path.size() >= sizeof(address.un.sun_path)) {
    return start_error("the socket's name " + path + " is over " +
                       std::to_string(sizeof(address.un.sun_path) - 1) + " bytes");
  }
  address.un.sun_family = AF_UNIX;
  std::memcpy(address.un.sun_path, path.data(), path.size());
  return address;
}

Descriptor stream_socket() {
  return Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

/// Who listens at the other end; 0 if that cannot be told.
pid_t peer_of(int fd) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

bool hung_up(int fd) {
  pollfd watched{fd, 0, 0};
  return ::poll(&watched, 1, 0) > 0 && (watched.revents & POLLHUP) != 0;
}

/// Connects until nobody listens any more. The errno of the connection that failed. Errors:
/// somebody listens, and is not just ending.
StartResult<int> connect_until_refused(const std::string& path, const Address& address) {
  HolderPatience patience;
  for (;;) {
    const Descriptor probe = stream_socket();
    if (!probe) return start_error("cannot create a socket", errno);
    if (::connect(probe.get(), address.get(), sizeof(address.un)) != 0) return errno;
    const pid_t peer = peer_of(probe.get());
    do {
      if (!patience.wait_for(peer)) {
        return start_error("socket " + path + " is in use by " + describe_process(peer));
      }
    } while (!hung_up(probe.get()));
  }
}

/// Removes a stale socket. Errors: somebody answers; it is no socket; it cannot be removed.
StartResult<void> clear_name(const std::string& path, const Address& address) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return start_error("cannot look at " + path, errno);
  }
  if (!S_ISSOCK(status.st_mode)) {
    return start_error(path + " exists and is not a socket; it is left alone");
  }
  const auto answer = connect_until_refused(path, address);
  if (!answer) return tl::make_unexpected(answer.error());
  // EAGAIN: its queue of waiting connections is full, so somebody is listening.
  if (*answer == EAGAIN) return start_error("socket " + path + " is in use by a busy process");
  if (*answer == EPROTOTYPE) return start_error(path + " is a socket of another type");
  if (*answer != ECONNREFUSED && *answer != ENOENT) {
    return start_error("cannot tell whether " + path + " is in use", *answer);
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return start_error("cannot remove the stale socket " + path, errno);
  }
  return {};
}

/// Binds with mode 0600 from the first moment: between bind() and chmod() alone anybody could
/// connect.
int bind_private(int fd, const std::string& path, const Address& address) {
  const mode_t old = ::umask(0177);
  const int bound = ::bind(fd, address.get(), sizeof(address.un));
  const int error = errno;
  ::umask(old);
  if (bound != 0) return error;
  return ::chmod(path.c_str(), 0600) == 0 ? 0 : errno;
}

}  // namespace

StartResult<ListenSocket> ListenSocket::open(const std::string& path) {
  const auto address = make_address(path);
  if (!address) return tl::make_unexpected(address.error());
  auto lock = FileLock::acquire(path + ".lock", "socket lock");
  if (!lock) return tl::make_unexpected(std::move(lock).error());
  if (auto cleared = clear_name(path, *address); !cleared) {
    return tl::make_unexpected(std::move(cleared).error());
  }
  Descriptor socket = stream_socket();
  if (!socket) return start_error("cannot create a socket", errno);
  if (const int error = bind_private(socket.get(), path, *address); error != 0) {
    return start_error("cannot bind " + path, error);
  }
  if (::listen(socket.get(), kListenBacklog) != 0) {
    return start_error("cannot listen on " + path, errno);
  }
  return ListenSocket(*std::move(lock), std::move(socket));
}

StartResult<ListenSocket> ListenSocket::adopt(const std::string& path, Descriptor socket) {
  auto lock = FileLock::acquire(path + ".lock", "socket lock");
  if (!lock) return tl::make_unexpected(std::move(lock).error());
  return ListenSocket(*std::move(lock), std::move(socket));
}

}  // namespace vxs::process
