#include "tests/crash/kept/link.hh"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "tests/crash/kept/conversation.hh"

namespace vxs::test::kept {
namespace {

class SocketLink : public Link {
 public:
  explicit SocketLink(int fd) : fd_(fd) { fcntl(fd_, F_SETFL, O_NONBLOCK); }
  ~SocketLink() override { close(fd_); }
  SocketLink(const SocketLink&) = delete;
  SocketLink& operator=(const SocketLink&) = delete;

  [[nodiscard]] int fd() const override { return fd_; }

  long send(std::string_view bytes) override {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) return sent;
    return errno == EAGAIN || errno == EINTR ? 0 : -1;
  }

  bool receive(std::string& bytes) override {
    std::array<char, 65536> chunk;
    // Not for ever: a daemon may be faster than its client.
    for (int n = 0; n < 16; ++n) {
      const ssize_t got = recv(fd_, chunk.data(), chunk.size(), 0);
      if (got < 0) return errno == EAGAIN || errno == EINTR;
      if (got == 0) return false;
      bytes.append(chunk.data(), static_cast<std::size_t>(got));
      if (static_cast<std::size_t>(got) < chunk.size()) return true;
    }
    return true;
  }

 private:
  int fd_;
};

}  // namespace

std::unique_ptr<Link> make_socket_link(int fd) { return std::make_unique<SocketLink>(fd); }

Connect socket_connector(std::string path, bool always) {
  return [path = std::move(path), always]() -> std::unique_ptr<Link> {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) throw Violation("socket name too long: " + path);
    std::memcpy(address.sun_path, path.data(), path.size());
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) throw Violation(std::string("socket: ") + std::strerror(errno));
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      return make_socket_link(fd);
    }
    const int error = errno;
    close(fd);
    if (error == EAGAIN || error == EINTR || !always) return nullptr;
    throw Violation("cannot connect: " + std::string(std::strerror(error)));
  };
}

}  // namespace vxs::test::kept
