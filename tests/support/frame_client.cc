#include "tests/support/frame_client.hh"

#include <array>
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

std::optional<Frame> FrameClient::take_frame() {
  if (input_.size() < kHeaderSize) return std::nullopt;
  std::array<uint32_t, 4> header;
  std::memcpy(header.data(), input_.data(), kHeaderSize);
  if (header[3] > kMaxPayload) throw WireError("frame of " + std::to_string(header[3]) + " bytes");
  if (input_.size() < kHeaderSize + header[3]) return std::nullopt;
  Frame frame{header[0], header[1], header[2], input_.substr(kHeaderSize, header[3])};
  input_.erase(0, kHeaderSize + header[3]);
  return frame;
}

std::optional<Frame> FrameClient::receive(milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  for (;;) {
    if (auto frame = take_frame()) return frame;
    if (!fill(deadline)) return std::nullopt;
  }
}

void FrameClient::keep_event(const Frame& frame) {
  const size_t first = frame.payload.find('\0');
  const size_t second = first == std::string::npos ? first : frame.payload.find('\0', first + 1);
  if (second == std::string::npos || frame.req_id != 0 || frame.tx_id != 0) {
    throw WireError("malformed watch event");
  }
  events_.push_back(
      {frame.payload.substr(0, first), frame.payload.substr(first + 1, second - first - 1)});
}

Frame FrameClient::reply(milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    auto frame = receive(std::max(left, milliseconds(0)));
    if (!frame) throw WireError("no reply in time");
    if (frame->type != kWatchEvent) return *std::move(frame);
    keep_event(*frame);
  }
}

Frame FrameClient::matching(uint32_t req_id, uint32_t tx_id) {
  Frame frame = reply();
  if (frame.req_id != req_id || frame.tx_id != tx_id) {
    throw WireError("reply to request " + std::to_string(frame.req_id) + " of transaction " +
                    std::to_string(frame.tx_id) + " instead of " + std::to_string(req_id) + " of " +
                    std::to_string(tx_id));
  }
  return frame;
}

Frame FrameClient::call(uint32_t type, std::string_view payload, uint32_t tx_id) {
  const uint32_t req_id = next_req_id_++;
  send({type, req_id, tx_id, std::string(payload)});
  return matching(req_id, tx_id);
}

std::vector<Event> FrameClient::take_events() {
  std::vector<Event> result(std::make_move_iterator(events_.begin()),
                            std::make_move_iterator(events_.end()));
  events_.clear();
  return result;
}

void FrameClient::drain_send() {
  drain_req_id_ = next_req_id_++;
  send({kGetDomainPath, drain_req_id_, 0, zstrings({"0"})});
}

std::vector<Event> FrameClient::drain_receive(milliseconds linger) {
  matching(drain_req_id_, 0);
  while (const auto frame = receive(linger)) {
    if (frame->type != kWatchEvent) throw WireError("unexpected reply " + type_name(frame->type));
    keep_event(*frame);
  }
  return take_events();
}

std::vector<Event> FrameClient::drain(milliseconds linger) {
  drain_send();
  return drain_receive(linger);
}

void FrameClient::forget_input() {
  input_.clear();
  events_.clear();
}

}  // namespace vxs::support
