#include "tests/bench/connection.hh"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "tests/bench/error.hh"

namespace vxs::bench {

namespace {

constexpr std::size_t kInputSize = 64 * 1024;

std::string errno_text(const std::string& what) { return what + ": " + std::strerror(errno); }

}  // namespace

Connection::Connection(const std::string& socket_path) : input_(kInputSize, '\0') {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof(address.sun_path)) {
    throw BenchError("socket path is too long: " + socket_path);
  }
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) throw BenchError(errno_text("socket"));
  // Connected while blocking: a stock daemon's backlog is 1, and EAGAIN would
  // have to be polled for.
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::fcntl(fd_, F_SETFL, O_NONBLOCK) != 0) {
    const std::string text = errno_text("connect to " + socket_path);
    ::close(fd_);
    throw BenchError(text);
  }
}

Connection::~Connection() {
  if (fd_ >= 0) ::close(fd_);
}

Connection::Connection(Connection&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      output_(std::move(other.output_)),
      sent_(other.sent_),
      input_(std::move(other.input_)),
      filled_(other.filled_),
      taken_(other.taken_) {}

void Connection::flush() {
  while (sent_ < output_.size()) {
    const ssize_t n = ::send(fd_, output_.data() + sent_, output_.size() - sent_, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      throw BenchError(errno_text("send to the daemon"));
    }
    sent_ += static_cast<std::size_t>(n);
  }
  output_.clear();
  sent_ = 0;
}

void Connection::fill() {
  if (taken_ > 0) {
    std::memmove(input_.data(), input_.data() + taken_, filled_ - taken_);
    filled_ -= taken_;
    taken_ = 0;
  }
  for (;;) {
    const ssize_t n = ::recv(fd_, input_.data() + filled_, input_.size() - filled_, 0);
    if (n > 0) {
      filled_ += static_cast<std::size_t>(n);
      return;
    }
    if (n == 0) throw BenchError("the daemon closed a connection");
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    throw BenchError(errno_text("receive from the daemon"));
  }
}

std::optional<Reply> Connection::next() {
  if (filled_ - taken_ < kHeaderSize) return std::nullopt;
  Header header;
  std::memcpy(&header, input_.data() + taken_, kHeaderSize);
  if (header.length > kMaxPayload) throw BenchError("the daemon sent an over-long message");
  if (filled_ - taken_ < kHeaderSize + header.length) return std::nullopt;
  const Reply reply{static_cast<MessageType>(header.type), header.transaction,
                    std::string_view(input_).substr(taken_ + kHeaderSize, header.length)};
  taken_ += kHeaderSize + header.length;
  return reply;
}

}  // namespace vxs::bench
