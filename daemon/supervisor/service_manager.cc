#include "daemon/supervisor/service_manager.hh"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>

#include "store/crash_point.hh"

namespace vxs::supervisor {
namespace {

constexpr int kFirstPassed = 3;  // SD_LISTEN_FDS_START

/// A variable's value, which is taken out of the environment.
std::string take(const char* name) {
  const char* value = std::getenv(name);
  std::string taken = value ? value : "";
  ::unsetenv(name);
  return taken;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_us(const std::string& pid) { return pid.empty() || number(pid) == ::getpid(); }

/// 0, or an errno.
int send_datagram(int socket, const std::string& text, int fd) {
  iovec part{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr datagram{};
  datagram.msg_iov = &part;
  datagram.msg_iovlen = 1;
  if (fd >= 0) {
    datagram.msg_control = control.data();
    datagram.msg_controllen = control.size();
    cmsghdr* rights = CMSG_FIRSTHDR(&datagram);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(rights), &fd, sizeof(int));
  }
  for (;;) {
    if (::sendmsg(socket, &datagram, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

}  // namespace

ServiceManager ServiceManager::from_environment(std::vector<Kept>& passed) {
  ServiceManager manager;
  manager.address_ = take("NOTIFY_SOCKET");
  const std::string interval = take("WATCHDOG_USEC");
  if (is_us(take("WATCHDOG_PID")) && manager.active()) {
    manager.watchdog_ = std::chrono::microseconds(number(interval).value_or(0));
  }
  manager.take_passed(passed);
  return manager;
}

void ServiceManager::take_passed(std::vector<Kept>& passed) {
  const std::string pid = take("LISTEN_PID");
  const auto count = number(take("LISTEN_FDS")).value_or(0);
  const std::string names = take("LISTEN_FDNAMES");
  if (pid.empty() || !is_us(pid)) return;
  std::string_view left = names;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string name(left.substr(0, left.find(':')));
    left.remove_prefix(std::min(name.size() + 1, left.size()));
    const int fd = kFirstPassed + static_cast<int>(i);
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return;  // there are fewer than was said
    process::Descriptor owned(fd);
    if (!is_valid_name(name) || stored_.count(name) != 0) {
      spdlog::warn("supervisor: closing descriptor {} that was passed under a name of no use", fd);
      continue;
    }
    stored_.insert(name);
    passed.push_back({name, std::move(owned)});
  }
}

void ServiceManager::say(const std::string& state) {
  const auto waits = [&](const Order& order) {
    return order.kind == Order::Kind::kSay && order.text == state;
  };
  if (active() && std::none_of(queue_.begin(), queue_.end(), waits)) {
    queue_.push_back({Order::Kind::kSay, state});
  }
}

void ServiceManager::store(const std::string& name) {
  if (active()) queue_.push_back({Order::Kind::kStore, name});
}

void ServiceManager::remove(const std::string& name) {
  if (stored_.erase(name) != 0 && active()) queue_.push_back({Order::Kind::kRemove, name});
}

bool ServiceManager::connect() {
  if (socket_) return true;
  sockaddr_un un{};
  if (address_.size() >= sizeof(un.sun_path)) return false;
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, address_.data(), address_.size());
  auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size() + 1);
  if (address_.front() == '@') {
    un.sun_path[0] = '\0';
    --size;  // a name of the abstract namespace is counted, not terminated
  }
  process::Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // Connected, since only then poll() says when the manager's queue has room again.
  if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&un), size) != 0) {
    return false;
  }
  socket_ = std::move(socket);
  return true;
}

void ServiceManager::send_pending(const FindDescriptor& find) {
  if (queue_.empty() || !connect()) return;
  for (; !queue_.empty(); queue_.pop_front()) {
    const Order& order = queue_.front();
    int error = 0;
    if (order.kind == Order::Kind::kSay) {
      error = send_datagram(socket_.get(), order.text, -1);
    } else if (order.kind == Order::Kind::kRemove) {
      error = send_datagram(socket_.get(), "FDSTOREREMOVE=1\nFDNAME=" + order.text, -1);
    } else {
      const int fd = find(order.text);
      if (fd < 0 || stored_.count(order.text) != 0) continue;  // released, or stored twice
      error = send_datagram(socket_.get(), "FDSTORE=1\nFDNAME=" + order.text + "\nFDPOLL=0", fd);
      if (error == 0) stored_.insert(order.text);
    }
    switch (error) {
      case 0:
        VXS_CRASH_POINT("manager-told");
        continue;
      case EAGAIN:
      case ENOBUFS:
      case ENOMEM:
      case ETOOMANYREFS:
        return;
      case ECONNREFUSED:
      case ECONNRESET:
      case ENOTCONN:
      case EPIPE:
        socket_.reset();
        return;
      default:
        spdlog::error("supervisor: the service manager cannot be told about {}: {}", order.text,
                      std::strerror(error));
    }
  }
}

bool ServiceManager::send_all(const FindDescriptor& find, std::chrono::milliseconds patience) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + patience;
  for (send_pending(find); has_pending(); send_pending(find)) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    if (left.count() <= 0) return false;
    // Without a socket, too, it is worth another try in a moment.
    pollfd writable{fd(), POLLOUT, 0};
    (void)::poll(&writable, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 100)));
  }
  return true;
}

}  // namespace vxs::supervisor
