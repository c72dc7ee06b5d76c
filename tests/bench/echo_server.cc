#include "tests/bench/echo_server.hh"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string_view>
#include <unordered_map>

#include "tests/bench/wire.hh"

namespace vxs::bench {

namespace {

constexpr int kFailed = 1;
constexpr int kBacklog = 1024;
constexpr std::size_t kChunk = 64 * 1024;

std::string_view body_for(std::uint32_t type) {
  switch (static_cast<MessageType>(type)) {
    case MessageType::kTransactionStart:
      return {"1\0", 2};
    case MessageType::kRead:
      return "10000000";
    case MessageType::kDirectory:
      return {};
    default:
      return {"OK\0", 3};
  }
}

// Answers every whole message in `input` and removes it.
void answer(std::string& input, std::string& output) {
  std::size_t at = 0;
  while (input.size() - at >= kHeaderSize) {
    Header header;
    std::memcpy(&header, input.data() + at, kHeaderSize);
    if (input.size() - at < kHeaderSize + header.length) break;
    at += kHeaderSize + header.length;
    const std::string_view body = body_for(header.type);
    header.length = static_cast<std::uint32_t>(body.size());
    append_message(output, header, body);
  }
  input.erase(0, at);
}

int listen_at(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof(address.sun_path)) return -1;
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(fd, kBacklog) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

bool add_to(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

int run_echo_server(const std::string& socket_path) {
  const int listener = listen_at(socket_path);
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  if (listener < 0 || epoll < 0 || !add_to(epoll, listener)) return kFailed;
  std::unordered_map<int, std::string> inputs;
  std::string chunk(kChunk, '\0');
  std::string output;
  std::array<epoll_event, 64> events;
  for (;;) {
    const int ready = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < ready; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener) {
        const int peer = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (peer >= 0 && !add_to(epoll, peer)) ::close(peer);
        continue;
      }
      const ssize_t n = ::recv(fd, chunk.data(), chunk.size(), 0);
      if (n <= 0) {
        inputs.erase(fd);
        ::close(fd);
        continue;
      }
      std::string& input = inputs[fd];
      input.append(chunk, 0, static_cast<std::size_t>(n));
      output.clear();
      answer(input, output);
      if (!output.empty() && ::send(fd, output.data(), output.size(), MSG_NOSIGNAL) < 0) {
        inputs.erase(fd);
        ::close(fd);
      }
    }
  }
}

}  // namespace vxs::bench
