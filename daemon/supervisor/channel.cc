#include "daemon/supervisor/channel.hh"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

namespace vxs::supervisor {
namespace {

struct Head {
  std::uint16_t version = kProtocolVersion;
  std::uint16_t type = 0;
  std::uint16_t flags = 0;
  std::uint16_t name_size = 0;
  std::uint64_t value = 0;
  std::uint64_t more = 0;
};
static_assert(sizeof(Head) == 24, "the packet's layout");

/// Room for what later versions may put behind the name.
constexpr std::size_t kPacketMax = 4096;

/// 0, or an errno.
int send_packet(int socket, const Message& message, int fd) {
  Head head;
  head.type = static_cast<std::uint16_t>(message.type);
  head.flags = message.flags;
  head.name_size = static_cast<std::uint16_t>(message.name.size());
  head.value = message.value;
  head.more = message.more;
  std::array<iovec, 2> parts{
      {{&head, sizeof(head)}, {const_cast<char*>(message.name.data()), message.name.size()}}};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr packet{};
  packet.msg_iov = parts.data();
  packet.msg_iovlen = parts.size();
  if (fd >= 0) {
    packet.msg_control = control.data();
    packet.msg_controllen = control.size();
    cmsghdr* rights = CMSG_FIRSTHDR(&packet);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(rights), &fd, sizeof(int));
  }
  for (;;) {
    if (::sendmsg(socket, &packet, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

/// The first descriptor that came; others, which no version sends, are closed.
process::Descriptor take_descriptor(msghdr& packet) {
  process::Descriptor taken;
  for (cmsghdr* part = CMSG_FIRSTHDR(&packet); part != nullptr; part = CMSG_NXTHDR(&packet, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      process::Descriptor owned(fd);
      if (!taken) taken = std::move(owned);
    }
  }
  return taken;
}

/// The socket has no room just now; or too many descriptors are on their way (unprivileged only).
bool is_full(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS || error == ENOMEM ||
         error == ETOOMANYREFS;
}

}  // namespace

Channel::Channel(process::Descriptor socket) : socket_(std::move(socket)) {
  (void)::fcntl(socket_.get(), F_SETFD, FD_CLOEXEC);
  (void)::fcntl(socket_.get(), F_SETFL, ::fcntl(socket_.get(), F_GETFL) | O_NONBLOCK);
}

process::StartResult<std::pair<process::Descriptor, process::Descriptor>> Channel::make_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return process::start_error("cannot create a socket pair", errno);
  }
  return std::pair(process::Descriptor(ends[0]), process::Descriptor(ends[1]));
}

void Channel::queue(Message message) {
  if (!socket_) return;
  message.fd.reset();
  queue_.push_back(std::move(message));
}

bool Channel::send_pending(const FindDescriptor& find) {
  while (!queue_.empty()) {
    const Message& next = queue_.front();
    int fd = -1;
    if (carries_descriptor(next.type)) {
      fd = find(next.name);
      if (fd < 0) {
        queue_.pop_front();
        continue;
      }
    }
    const int error = send_packet(socket_.get(), next, fd);
    if (is_full(error)) return true;
    if (error == EPIPE || error == ECONNRESET || error == ENOTCONN) {
      queue_.clear();
      return false;
    }
    queue_.pop_front();
  }
  return false;
}

Channel::Received Channel::receive(Message& message) {
  if (!socket_) return Received::kClosed;
  std::array<char, kPacketMax> bytes;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control;
  iovec part{bytes.data(), bytes.size()};
  msghdr packet{};
  ssize_t got = -1;
  do {
    packet = {};
    packet.msg_iov = &part;
    packet.msg_iovlen = 1;
    packet.msg_control = control.data();
    packet.msg_controllen = control.size();
    got = ::recvmsg(socket_.get(), &packet, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    // ECONNRESET comes once, before what is still queued, if the other end died with something
    // unread: what it sent before that counts.
  } while (got < 0 && (errno == EINTR || errno == ECONNRESET));
  if (got < 0) {
    return errno == EAGAIN || errno == EWOULDBLOCK ? Received::kNothing : Received::kClosed;
  }
  if (got == 0) return Received::kClosed;

  process::Descriptor fd = take_descriptor(packet);
  Head head;
  const auto size = static_cast<std::size_t>(got);
  if (size < sizeof(head)) return Received::kStrange;
  std::memcpy(&head, bytes.data(), sizeof(head));
  if (head.version == 0 || head.name_size > size - sizeof(head)) return Received::kStrange;
  message.type = static_cast<MessageType>(head.type);
  message.flags = head.flags;
  message.value = head.value;
  message.more = head.more;
  message.name.assign(bytes.data() + sizeof(head), head.name_size);
  message.fd = std::move(fd);
  if (carries_descriptor(message.type) && !is_valid_name(message.name)) return Received::kStrange;
  return Received::kMessage;
}

}  // namespace vxs::supervisor
