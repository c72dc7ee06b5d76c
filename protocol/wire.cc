#include "protocol/wire.hh"

#include <cstring>

namespace vxs::protocol {

namespace {

constexpr std::array<std::string_view, kMessageTypeEnd> kNames{
    "CONTROL",
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
    "",  // 20
    "RESET_WATCHES",
    "DIRECTORY_PART",
    "GET_FEATURE",
    "SET_FEATURE",
    "GET_QUOTA",
    "SET_QUOTA",
};

static_assert(sizeof(Header) == kHeaderSize, "the header is copied as a whole");

}  // namespace

std::string_view message_name(std::uint32_t type) noexcept {
  if (type >= kNames.size() || kNames[type].empty()) return "UNKNOWN";
  return kNames[type];
}

std::string_view message_name(MessageType type) noexcept {
  return message_name(static_cast<std::uint32_t>(type));
}

bool is_request_type(std::uint32_t type) noexcept {
  return type < kNames.size() && !kNames[type].empty() &&
         type != static_cast<std::uint32_t>(MessageType::kWatchEvent) &&
         type != static_cast<std::uint32_t>(MessageType::kError);
}

std::array<char, kHeaderSize> encode_header(const Header& header) noexcept {
  std::array<char, kHeaderSize> bytes;
  std::memcpy(bytes.data(), &header, kHeaderSize);
  return bytes;
}

bool append_frame(std::string& out, MessageType type, std::uint32_t req_id, std::uint32_t tx_id,
                  std::string_view payload) {
  if (payload.size() > kMaxPayload) return false;
  const auto header = encode_header({.type = static_cast<std::uint32_t>(type),
                                     .req_id = req_id,
                                     .tx_id = tx_id,
                                     .len = static_cast<std::uint32_t>(payload.size())});
  out.append(header.data(), header.size());
  out.append(payload);
  return true;
}

DecodeResult decode_frame(std::string_view buffered) noexcept {
  DecodeResult result;
  if (buffered.size() < kHeaderSize) {
    result.missing = kHeaderSize - buffered.size();
    return result;
  }
  std::memcpy(&result.header, buffered.data(), kHeaderSize);
  if (result.header.len > kMaxPayload) {
    result.status = DecodeStatus::kTooLong;
    return result;
  }
  const std::size_t whole = kHeaderSize + result.header.len;
  if (buffered.size() < whole) {
    result.missing = whole - buffered.size();
    return result;
  }
  result.status = DecodeStatus::kFrame;
  result.payload = buffered.substr(kHeaderSize, result.header.len);
  result.consumed = whole;
  return result;
}

}  // namespace vxs::protocol
