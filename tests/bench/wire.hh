#pragma once
// The few pieces of the wire protocol a load generator needs (conformance A5,
// B): building requests and naming replies. Kept apart from protocol/ so that
// a mistake there cannot measure itself.

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace vxs::bench {

enum class MessageType : std::uint32_t {
  kControl = 0,
  kDirectory = 1,
  kRead = 2,
  kWatch = 4,
  kTransactionStart = 6,
  kTransactionEnd = 7,
  kIntroduce = 8,
  kRelease = 9,
  kWrite = 11,
  kMkdir = 12,
  kRm = 13,
  kSetPerms = 14,
  kWatchEvent = 15,
  kError = 16,
};

// Four native-endian 32-bit words: type, request id, transaction id, length.
struct Header {
  std::uint32_t type = 0;
  std::uint32_t request_id = 0;
  std::uint32_t transaction = 0;
  std::uint32_t length = 0;
};
inline constexpr std::size_t kHeaderSize = sizeof(Header);
inline constexpr std::uint32_t kMaxPayload = 4096;

// A reply or an event; `body` points into the connection's input buffer and is
// valid until that connection is touched again.
struct Reply {
  MessageType type = MessageType::kError;
  std::uint32_t transaction = 0;
  std::string_view body;

  // True for an ERROR with this name, such as "EAGAIN".
  [[nodiscard]] bool is_error(std::string_view name) const;
};

// Appends one request to `out`; each part is copied as it is, so a caller
// writes the NULs the message wants.
void append_request(std::string& out, MessageType type, std::uint32_t transaction,
                    std::initializer_list<std::string_view> parts);

// Appends a header and `body`, for the echo server's replies.
void append_message(std::string& out, const Header& header, std::string_view body);

// Path and terminating NUL as one body.
[[nodiscard]] std::string path_body(std::string_view path);
// Path, NUL, value: the body of WRITE, and of WATCH with the token's NUL added.
[[nodiscard]] std::string write_body(std::string_view path, std::string_view value);
// Path, NUL, then each permission with its NUL: the body of SET_PERMS.
[[nodiscard]] std::string perms_body(std::string_view path, std::span<const std::string> entries);

}  // namespace vxs::bench
