#include "tests/support/wire_client.hh"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

namespace vxs::support {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kHeaderSize = 16;
// Far above the 4096 of the protocol, since oxenstored exceeds it (B0.6).
constexpr uint32_t kMaxPayload = 16U << 20;

int milliseconds_left(steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
  return left.count() < 0 ? 0 : static_cast<int>(left.count());
}

std::string errno_text(const char* what) { return std::string(what) + ": " + std::strerror(errno); }

constexpr std::array<const char*, 27> kNames = {"CONTROL",
                                                "DIRECTORY",
                                                "READ",
                                                "GET_PERMS",
                                                "WATCH",
                                                "UNWATCH",
                                                "TRANSACTION_START",
                                                "TRANSACTION_END",
                                                "INTRODUCE",
                                                "RELEASE",
                                                "GET_DOMAIN_PATH",
                                                "WRITE",
                                                "MKDIR",
                                                "RM",
                                                "SET_PERMS",
                                                "WATCH_EVENT",
                                                "ERROR",
                                                "IS_DOMAIN_INTRODUCED",
                                                "RESUME",
                                                "SET_TARGET",
                                                "20",
                                                "RESET_WATCHES",
                                                "DIRECTORY_PART",
                                                "GET_FEATURE",
                                                "SET_FEATURE",
                                                "GET_QUOTA",
                                                "SET_QUOTA"};

}  // namespace

std::string type_name(uint32_t type) {
  return type < kNames.size() ? kNames[type] : std::to_string(type);
}

std::string zstrings(std::initializer_list<std::string_view> parts) {
  std::string result;
  for (const std::string_view part : parts) result.append(part).push_back('\0');
  return result;
}

std::string Frame::error() const {
  if (!is_error()) return {};
  return payload.substr(0, payload.find('\0'));
}

std::string encode(const Frame& frame) {
  const std::array<uint32_t, 4> header = {frame.type, frame.req_id, frame.tx_id,
                                          static_cast<uint32_t>(frame.payload.size())};
  std::string bytes(kHeaderSize, '\0');
  std::memcpy(bytes.data(), header.data(), kHeaderSize);
  return bytes + frame.payload;
}

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
    : fd_(std::exchange(other.fd_, -1)),
      next_req_id_(other.next_req_id_),
      drain_req_id_(other.drain_req_id_),
      input_(std::move(other.input_)),
      events_(std::move(other.events_)) {}

WireClient& WireClient::operator=(WireClient&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(next_req_id_, other.next_req_id_);
  std::swap(drain_req_id_, other.drain_req_id_);
  std::swap(input_, other.input_);
  std::swap(events_, other.events_);
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
      input_.append(chunk.data(), static_cast<size_t>(got));
      return true;
    }
    if (got == 0) throw WireError("connection closed by the daemon");
    if (errno != EAGAIN && errno != EINTR) throw WireError(errno_text("recv"));
    pollfd data{fd_, POLLIN, 0};
    if (poll(&data, 1, milliseconds_left(deadline)) == 0) return false;
  }
}

std::optional<Frame> WireClient::take_frame() {
  if (input_.size() < kHeaderSize) return std::nullopt;
  std::array<uint32_t, 4> header;
  std::memcpy(header.data(), input_.data(), kHeaderSize);
  if (header[3] > kMaxPayload) throw WireError("frame of " + std::to_string(header[3]) + " bytes");
  if (input_.size() < kHeaderSize + header[3]) return std::nullopt;
  Frame frame{header[0], header[1], header[2], input_.substr(kHeaderSize, header[3])};
  input_.erase(0, kHeaderSize + header[3]);
  return frame;
}

std::optional<Frame> WireClient::receive(milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  for (;;) {
    if (auto frame = take_frame()) return frame;
    if (!fill(deadline)) return std::nullopt;
  }
}

void WireClient::keep_event(const Frame& frame) {
  const size_t first = frame.payload.find('\0');
  const size_t second = first == std::string::npos ? first : frame.payload.find('\0', first + 1);
  if (second == std::string::npos || frame.req_id != 0 || frame.tx_id != 0) {
    throw WireError("malformed watch event");
  }
  events_.push_back(
      {frame.payload.substr(0, first), frame.payload.substr(first + 1, second - first - 1)});
}

Frame WireClient::reply(milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    auto frame = receive(std::max(left, milliseconds(0)));
    if (!frame) throw WireError("no reply in time");
    if (frame->type != kWatchEvent) return *std::move(frame);
    keep_event(*frame);
  }
}

Frame WireClient::matching(uint32_t req_id, uint32_t tx_id) {
  Frame frame = reply();
  if (frame.req_id != req_id || frame.tx_id != tx_id) {
    throw WireError("reply to request " + std::to_string(frame.req_id) + " of transaction " +
                    std::to_string(frame.tx_id) + " instead of " + std::to_string(req_id) + " of " +
                    std::to_string(tx_id));
  }
  return frame;
}

Frame WireClient::call(uint32_t type, std::string_view payload, uint32_t tx_id) {
  const uint32_t req_id = next_req_id_++;
  send({type, req_id, tx_id, std::string(payload)});
  return matching(req_id, tx_id);
}

std::vector<Event> WireClient::take_events() {
  std::vector<Event> result(std::make_move_iterator(events_.begin()),
                            std::make_move_iterator(events_.end()));
  events_.clear();
  return result;
}

void WireClient::drain_send() {
  drain_req_id_ = next_req_id_++;
  send({kGetDomainPath, drain_req_id_, 0, zstrings({"0"})});
}

std::vector<Event> WireClient::drain_receive(milliseconds linger) {
  matching(drain_req_id_, 0);
  while (const auto frame = receive(linger)) {
    if (frame->type != kWatchEvent) throw WireError("unexpected reply " + type_name(frame->type));
    keep_event(*frame);
  }
  return take_events();
}

std::vector<Event> WireClient::drain(milliseconds linger) {
  drain_send();
  return drain_receive(linger);
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
