// A raw Xenstore client, whatever carries its bytes (wire_client.hh: a socket; fake_guest.hh: a
// ring): any bytes a test wants to send, and replies apart from watch events. Not thread-safe.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <deque>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace vxs::support {

// Message types as they stand on the wire (conformance A5, B).
enum Type : uint32_t {
  kControl = 0,
  kDirectory = 1,
  kRead = 2,
  kGetPerms = 3,
  kWatch = 4,
  kUnwatch = 5,
  kTransactionStart = 6,
  kTransactionEnd = 7,
  kIntroduce = 8,
  kRelease = 9,
  kGetDomainPath = 10,
  kWrite = 11,
  kMkdir = 12,
  kRm = 13,
  kSetPerms = 14,
  kWatchEvent = 15,
  kError = 16,
  kIsDomainIntroduced = 17,
  kResume = 18,
  kSetTarget = 19,
  kResetWatches = 21,
  kDirectoryPart = 22,
  kGetFeature = 23,
  kSetFeature = 24,
  kGetQuota = 25,
  kSetQuota = 26,
};

// The name of a type in a transcript ("READ"), or its number.
std::string type_name(uint32_t type);

// Joins strings with a NUL after each: zstrings({"/a", "t"}) is "/a\0t\0".
std::string zstrings(std::initializer_list<std::string_view> parts);

struct Frame {
  uint32_t type = 0;
  uint32_t req_id = 0;
  uint32_t tx_id = 0;
  std::string payload;

  [[nodiscard]] bool is_error() const { return type == kError; }
  // "ENOENT" of an error reply, "" otherwise.
  [[nodiscard]] std::string error() const;
  friend bool operator==(const Frame&, const Frame&) = default;
};

// The frame's bytes as sent: header of four native u32 (A5) and payload.
std::string encode(const Frame& frame);

struct Event {
  std::string path;
  std::string token;
  friend auto operator<=>(const Event&, const Event&) = default;
};

// The peer closed the connection, sent what is no frame, or did not answer in
// time. A test that expects this catches it.
class WireError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class FrameClient {
 public:
  static constexpr std::chrono::milliseconds kTimeout{10'000};

  virtual ~FrameClient() = default;

  // Sends all bytes, waiting at most kTimeout for room. Throws WireError.
  virtual void send_bytes(std::string_view bytes) = 0;
  void send(const Frame& frame) { send_bytes(encode(frame)); }

  // The next frame of any kind; nothing at the timeout. Throws WireError at
  // the end of the stream. Ignores the queues below: do not mix with call().
  std::optional<Frame> receive(std::chrono::milliseconds timeout = kTimeout);

  // The next reply; watch events met on the way are kept for take_events().
  // Throws WireError at the timeout or the end of the stream.
  Frame reply(std::chrono::milliseconds timeout = kTimeout);

  // Sends one request with a req_id of its own and returns the reply to it.
  // Throws WireError also when the reply carries another req_id or tx_id.
  Frame call(uint32_t type, std::string_view payload, uint32_t tx_id = 0);

  // Events received so far, in order of arrival; empties the queue.
  std::vector<Event> take_events();

  // All events the daemon queued for this client before it answered a
  // harmless request sent now, and what comes within `linger` after it. The
  // two halves let a test ask several clients at once.
  std::vector<Event> drain(std::chrono::milliseconds linger = std::chrono::milliseconds(0));
  void drain_send();
  std::vector<Event> drain_receive(std::chrono::milliseconds linger = std::chrono::milliseconds(0));

 protected:
  using Deadline = std::chrono::steady_clock::time_point;

  FrameClient() = default;
  FrameClient(FrameClient&&) = default;
  FrameClient& operator=(FrameClient&&) = default;

  // Gives more bytes to arrived(). False at the deadline; throws WireError at the end.
  virtual bool fill(Deadline deadline) = 0;
  void arrived(std::string_view bytes) { input_.append(bytes); }
  // Forgets a half-received frame and the events kept.
  void forget_input();

 private:
  std::optional<Frame> take_frame();
  void keep_event(const Frame& frame);
  Frame matching(uint32_t req_id, uint32_t tx_id);

  uint32_t next_req_id_ = 1;
  uint32_t drain_req_id_ = 0;
  std::string input_;
  std::deque<Event> events_;
};

}  // namespace vxs::support
