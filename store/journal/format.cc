#include "store/journal/format.hh"

#include <algorithm>
#include <charconv>

#include "store/journal/crc32c.hh"

namespace vxs::store {
namespace {

constexpr std::string_view kSegmentMagic = "VXSJRNL\n";
constexpr std::uint32_t kOpeningMagic = 0x4F535856;       // "VXSO"
constexpr std::uint32_t kBatchMagic = 0x42535856;         // "VXSB"
constexpr std::uint32_t kBatchTrailerMagic = 0x45535856;  // "VXSE"
constexpr std::uint32_t kBeginsEmpty = 1;

// Offsets in block A.
constexpr std::size_t kVersionAt = 8;
constexpr std::size_t kHeaderBytesAt = 12;
constexpr std::size_t kNumberAt = 16;
constexpr std::size_t kNonceAt = 24;
constexpr std::size_t kIncarnationAt = 32;
constexpr std::size_t kBytesAt = 40;
constexpr std::size_t kKindAt = 48;
constexpr std::size_t kDurabilityAt = 52;
constexpr std::size_t kBootIdAt = 64;
constexpr std::size_t kIdentityCrcAt = kIdentityBytes - 4;

std::string padded_name(std::string_view prefix, std::uint64_t number, std::size_t width) {
  const std::string digits = std::to_string(number);
  std::string name(prefix);
  if (digits.size() < width) name.append(width - digits.size(), '0');
  return name + digits;
}

std::optional<std::uint64_t> parse_padded(std::string_view name, std::string_view prefix,
                                          std::size_t width) noexcept {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  if (name.size() < width) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return number;
}

}  // namespace

std::uint32_t SegmentIdentity::seed() const noexcept {
  char key[16];
  store_le(key, nonce);
  store_le(key + 8, incarnation);
  return crc32c(0, key, sizeof key);
}

std::string encode_identity(const SegmentIdentity& identity) {
  std::string out(kIdentityBytes, '\0');
  char* p = out.data();
  std::memcpy(p, kSegmentMagic.data(), kSegmentMagic.size());
  store_le(p + kVersionAt, kJournalVersion);
  store_le(p + kHeaderBytesAt, static_cast<std::uint32_t>(kSegmentHeaderBytes));
  store_le(p + kNumberAt, identity.number);
  store_le(p + kNonceAt, identity.nonce);
  store_le(p + kIncarnationAt, identity.incarnation);
  store_le(p + kBytesAt, identity.bytes);
  store_le(p + kKindAt, static_cast<std::uint32_t>(identity.kind));
  store_le(p + kDurabilityAt, static_cast<std::uint32_t>(identity.durability));
  std::memcpy(p + kBootIdAt, identity.boot_id.data(),
              std::min(identity.boot_id.size(), kBootIdBytes));
  store_le(p + kIdentityCrcAt, crc32c(0, p, kIdentityCrcAt));
  return out;
}

HeaderState decode_identity(std::string_view page, SegmentIdentity& out) {
  if (page.size() < kIdentityBytes) {
    return all_zero(page) ? HeaderState::kZero : HeaderState::kBad;
  }
  const char* p = page.data();
  if (all_zero(page.substr(0, kIdentityBytes))) return HeaderState::kZero;
  if (page.substr(0, kSegmentMagic.size()) != kSegmentMagic ||
      load_le<std::uint32_t>(p + kIdentityCrcAt) != crc32c(0, p, kIdentityCrcAt)) {
    return HeaderState::kBad;
  }
  if (load_le<std::uint32_t>(p + kVersionAt) > kJournalVersion) return HeaderState::kNewerVersion;
  const auto kind = load_le<std::uint32_t>(p + kKindAt);
  const auto durability = load_le<std::uint32_t>(p + kDurabilityAt);
  if (kind < 1 || kind > 2 || durability > 2 ||
      load_le<std::uint32_t>(p + kHeaderBytesAt) != kSegmentHeaderBytes) {
    return HeaderState::kBad;
  }
  out.number = load_le<std::uint64_t>(p + kNumberAt);
  out.nonce = load_le<std::uint64_t>(p + kNonceAt);
  out.incarnation = load_le<std::uint64_t>(p + kIncarnationAt);
  out.bytes = load_le<std::uint64_t>(p + kBytesAt);
  out.kind = static_cast<SegmentKind>(kind);
  out.durability = static_cast<Durability>(durability);
  const std::string_view boot = page.substr(kBootIdAt, kBootIdBytes);
  out.boot_id = boot.substr(0, boot.find('\0'));
  return HeaderState::kGood;
}

std::string encode_opening(const SegmentOpening& opening, std::uint32_t seed) {
  std::string out(kOpeningBytes, '\0');
  char* p = out.data();
  store_le(p + 4, kOpeningMagic);
  store_le(p + 8, opening.first_seq);
  store_le(p + 16, opening.continues_from);
  store_le(p + 24, opening.begins_empty ? kBeginsEmpty : 0U);
  store_le(p, crc32c(seed, p + 4, kOpeningBytes - 4));
  return out;
}

HeaderState decode_opening(std::string_view page, std::uint32_t seed, SegmentOpening& out) {
  if (page.size() < kOpeningOffset + kOpeningBytes) return HeaderState::kZero;
  const std::string_view block = page.substr(kOpeningOffset, kOpeningBytes);
  if (all_zero(block)) return HeaderState::kZero;
  const char* p = block.data();
  if (load_le<std::uint32_t>(p + 4) != kOpeningMagic ||
      load_le<std::uint32_t>(p) != crc32c(seed, p + 4, kOpeningBytes - 4)) {
    return HeaderState::kBad;
  }
  out.first_seq = load_le<std::uint64_t>(p + 8);
  out.continues_from = load_le<std::uint64_t>(p + 16);
  out.begins_empty = (load_le<std::uint32_t>(p + 24) & kBeginsEmpty) != 0;
  return HeaderState::kGood;
}

std::uint64_t decode_published(std::string_view page) noexcept {
  return page.size() < kPublishedOffset + 8
             ? 0
             : load_le<std::uint64_t>(page.data() + kPublishedOffset);
}

void put_frame_header(char* out, Seq seq, std::uint16_t type, std::uint16_t flags,
                      std::size_t payload) noexcept {
  store_le(out + 4, static_cast<std::uint32_t>(payload));
  store_le(out + 8, seq);
  store_le(out + 16, type);
  store_le(out + 18, flags);
  store_le(out + 20, std::uint32_t{0});
  const std::size_t end = kFrameHeaderBytes + payload;
  std::memset(out + end, 0, frame_bytes(payload) - end);
}

void seal_frame(char* frame, std::uint32_t seed) noexcept {
  const std::size_t covered = kFrameHeaderBytes - 4 + load_le<std::uint32_t>(frame + 4);
  store_le(frame, crc32c(seed, frame + 4, covered));
}

std::optional<Frame> parse_frame(std::string_view bytes, std::uint32_t seed) noexcept {
  if (bytes.size() < kFrameHeaderBytes) return std::nullopt;
  const char* p = bytes.data();
  const std::size_t payload = load_le<std::uint32_t>(p + 4);
  Frame frame;
  frame.seq = load_le<std::uint64_t>(p + 8);
  if (payload > kMaxPayloadBytes || frame.seq == 0) return std::nullopt;
  frame.bytes = frame_bytes(payload);
  if (frame.bytes > bytes.size()) return std::nullopt;
  if (load_le<std::uint32_t>(p) != crc32c(seed, p + 4, kFrameHeaderBytes - 4 + payload)) {
    return std::nullopt;
  }
  frame.type = load_le<std::uint16_t>(p + 16);
  frame.flags = load_le<std::uint16_t>(p + 18);
  frame.payload = bytes.substr(kFrameHeaderBytes, payload);
  return frame;
}

void put_batch_header(char* out, const BatchHeader& header, std::uint32_t seed) noexcept {
  store_le(out + 4, kBatchMagic);
  store_le(out + 8, header.first_seq);
  store_le(out + 16, header.durable_up_to);
  store_le(out + 24, header.payload_bytes);
  store_le(out + 32, header.records);
  store_le(out + 36, std::uint32_t{0});
  store_le(out, crc32c(seed, out + 4, kBatchHeaderBytes - 4));
}

std::optional<BatchHeader> parse_batch_header(std::string_view bytes, std::uint32_t seed) noexcept {
  if (bytes.size() < kBatchHeaderBytes || !looks_like_batch(bytes.data())) return std::nullopt;
  const char* p = bytes.data();
  if (load_le<std::uint32_t>(p) != crc32c(seed, p + 4, kBatchHeaderBytes - 4)) return std::nullopt;
  BatchHeader header;
  header.first_seq = load_le<std::uint64_t>(p + 8);
  header.durable_up_to = load_le<std::uint64_t>(p + 16);
  header.payload_bytes = load_le<std::uint64_t>(p + 24);
  header.records = load_le<std::uint32_t>(p + 32);
  return header;
}

void put_batch_trailer(char* out, const char* batch_header) noexcept {
  store_le(out, kBatchTrailerMagic);
  std::memcpy(out + 4, batch_header, 4);
}

bool has_batch_trailer(std::string_view batch, const BatchHeader& header) noexcept {
  const std::uint64_t at = kBatchHeaderBytes + header.payload_bytes;
  if (header.payload_bytes > batch.size() || at + kBatchTrailerBytes > batch.size()) return false;
  const char* trailer = batch.data() + at;
  return load_le<std::uint32_t>(trailer) == kBatchTrailerMagic &&
         std::memcmp(trailer + 4, batch.data(), 4) == 0;
}

bool is_batch_trailer(std::string_view bytes) noexcept {
  return bytes.size() >= kBatchTrailerBytes &&
         load_le<std::uint32_t>(bytes.data()) == kBatchTrailerMagic;
}

bool looks_like_batch(const char* at) noexcept {
  return load_le<std::uint32_t>(at + 4) == kBatchMagic;
}

bool all_zero(std::string_view bytes) noexcept {
  if (bytes.empty()) return true;
  return bytes.front() == '\0' &&
         std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

std::string segment_name(std::uint64_t number) { return padded_name("segment-", number, 10); }
std::string checkpoint_name(Seq seq) { return padded_name("checkpoint-", seq, 20); }

std::optional<std::uint64_t> parse_segment_name(std::string_view name) noexcept {
  return parse_padded(name, "segment-", 10);
}
std::optional<Seq> parse_checkpoint_name(std::string_view name) noexcept {
  return parse_padded(name, "checkpoint-", 20);
}

}  // namespace vxs::store
