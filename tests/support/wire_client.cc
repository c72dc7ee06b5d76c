#include "tests/support/wire_client.hh"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace vxs::support {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

int milliseconds_left(steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
  return left.count() < 0 ? 0 : static_cast<int>(left.count());
}

std::string errno_text(const char* what) { return std::string(what) + ": " + std::strerror(errno); }

}  // namespace

WireClient::WireClient(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof(address.sun_path)) {
    throw WireError("socket name too long: " + socket_path);
  }
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) throw WireError(errno_text("socket"));
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    const std::string text = errno_text(socket_path.c_str());
    close(fd_);
    throw WireError(text);
  }
  fcntl(fd_, F_SETFL, O_NONBLOCK);
}

WireClient::~WireClient() {
  if (fd_ >= 0) close(fd_);
}

WireClient::WireClient(WireClient&& other) noexcept
    : FrameClient(std::move(other)), fd_(std::exchange(other.fd_, -1)) {}

WireClient& WireClient::operator=(WireClient&& other) noexcept {
  FrameClient::operator=(std::move(other));
  std::swap(fd_, other.fd_);
  return *this;
}

void WireClient::send_bytes(std::string_view bytes) {
  const auto deadline = steady_clock::now() + kTimeout;
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) throw WireError(errno_text("send"));
    pollfd room{fd_, POLLOUT, 0};
    if (poll(&room, 1, milliseconds_left(deadline)) == 0) throw WireError("send: timeout");
  }
}

bool WireClient::fill(Deadline deadline) {
  std::array<char, 65536> chunk;
  for (;;) {
    const ssize_t got = recv(fd_, chunk.data(), chunk.size(), 0);
    if (got > 0) {
      arrived({chunk.data(), static_cast<size_t>(got)});
      return true;
    }
    if (got == 0) throw WireError("connection closed by the daemon");
    if (errno != EAGAIN && errno != EINTR) throw WireError(errno_text("recv"));
    pollfd data{fd_, POLLIN, 0};
    if (poll(&data, 1, milliseconds_left(deadline)) == 0) return false;
  }
}

bool WireClient::closed_by_peer(milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  try {
    while (fill(deadline)) {
    }
  } catch (const WireError&) {
    return true;
  }
  return false;
}

}  // namespace vxs::support
