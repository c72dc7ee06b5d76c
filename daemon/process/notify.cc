#include "daemon/process/notify.hh"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "daemon/process/descriptor.hh"

namespace vxs::process {

Notifier Notifier::from_environment() {
  Notifier notifier;
  if (const char* address = std::getenv("NOTIFY_SOCKET")) notifier.address_ = address;
  ::unsetenv("NOTIFY_SOCKET");
  return notifier;
}

StartResult<void> Notifier::send(std::string_view state) const {
  if (address_.empty()) return {};
  sockaddr_un un{};
  if (address_.size() >= sizeof(un.sun_path)) {
    return start_error("NOTIFY_SOCKET is too long");
  }
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, address_.data(), address_.size());
  auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size() + 1);
  if (address_.front() == '@') {
    un.sun_path[0] = '\0';
    --size;  // a name of the abstract namespace is counted, not terminated
  }
  const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return start_error("cannot create a socket", errno);
  const ssize_t sent = ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&un), size);
  if (sent != static_cast<ssize_t>(state.size())) {
    return start_error("cannot notify the service manager", sent < 0 ? errno : EMSGSIZE);
  }
  return {};
}

}  // namespace vxs::process
