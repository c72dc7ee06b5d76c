// Message types and framing of the Xenstore wire protocol (conformance A5..A9,
// B0.5). Pure: bytes in, views out; nothing here reads, writes or waits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace vxs::protocol {

/// The message types of xs_wire.h. A header's `type` field may hold any other
/// number; see is_request_type.
enum class MessageType : std::uint32_t {
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
  // 20 was RESTRICT, which no server has any more (B0.1).
  kResetWatches = 21,
  kDirectoryPart = 22,
  kGetFeature = 23,
  kSetFeature = 24,
  kGetQuota = 25,
  kSetQuota = 26,
};

/// One more than the highest type number that has a name.
inline constexpr std::uint32_t kMessageTypeEnd = 27;

/// The longest payload a frame may have, in bytes, either way (A6, B0.6).
inline constexpr std::size_t kMaxPayload = 4096;
/// The length of an encoded header in bytes.
inline constexpr std::size_t kHeaderSize = 16;

/// The name in trace lines and history, "TRANSACTION_START" and so on (I10);
/// "UNKNOWN" for numbers without a type.
[[nodiscard]] std::string_view message_name(MessageType type) noexcept;
[[nodiscard]] std::string_view message_name(std::uint32_t type) noexcept;

/// True if a client may send this type. False for WATCH_EVENT, ERROR, 20 and
/// everything from 27 up: those are answered with ENOSYS (B0.1).
[[nodiscard]] bool is_request_type(std::uint32_t type) noexcept;

/// A frame's header, as on the wire: four native-endian words (A5). `type` is a
/// bare number because a client may send any.
struct Header {
  std::uint32_t type = 0;
  std::uint32_t req_id = 0;
  std::uint32_t tx_id = 0;
  /// Length of the payload in bytes.
  std::uint32_t len = 0;

  friend bool operator==(const Header&, const Header&) = default;
};

[[nodiscard]] std::array<char, kHeaderSize> encode_header(const Header& header) noexcept;

/// Appends a whole frame to `out`. `payload` must not lie in `out`. A payload
/// over kMaxPayload appends nothing and returns false: the caller answers E2BIG
/// (B0.6) or drops the event (B9).
[[nodiscard]] bool append_frame(std::string& out, MessageType type, std::uint32_t req_id,
                                std::uint32_t tx_id, std::string_view payload);

/// What decode_frame found at the beginning of a buffer.
enum class DecodeStatus : std::uint8_t {
  /// No whole frame yet, and nothing wrong so far.
  kNeedMore,
  /// One whole frame.
  kFrame,
  /// The header asks for more than kMaxPayload (A6). No frame will ever follow:
  /// a socket is closed without an answer, a ring frozen (A7).
  kTooLong,
};

struct DecodeResult {
  DecodeStatus status = DecodeStatus::kNeedMore;
  /// The header; valid unless fewer than kHeaderSize bytes were there, else 0s.
  Header header;
  /// kFrame: a view into the buffer given. Empty otherwise.
  std::string_view payload;
  /// kFrame: the length of header and payload, to be taken from the buffer's
  /// front. 0 otherwise.
  std::size_t consumed = 0;
  /// kNeedMore: how many more bytes at least until something can be decided,
  /// never 0. 0 otherwise.
  std::size_t missing = 0;
};

/// Looks for one frame at the front of `buffered`, which may hold any number of
/// bytes, half a frame or many. Keeps no state: call it again with the same
/// bytes and those that came since (A10). Does not allocate and never fails.
[[nodiscard]] DecodeResult decode_frame(std::string_view buffered) noexcept;

}  // namespace vxs::protocol
