// The bytes of a checkpoint file (docs/journal.md): header, blocks, node entries.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "store/journal/checkpoint.hh"
#include "store/journal/format.hh"

namespace vxs::store {

inline constexpr std::uint32_t kCheckpointVersion = 1;
inline constexpr std::size_t kCheckpointHeaderBytes = 256;
inline constexpr std::size_t kBlockHeaderBytes = 16;
/// A block is closed before it would exceed this; an entry larger than it has a block of its own.
inline constexpr std::size_t kBlockPayloadBytes = std::size_t{64} << 10;
inline constexpr std::size_t kMaxBlockBytes = std::size_t{64} << 20;
inline constexpr std::uint16_t kBlockMaySkip = 1;

/// Numbers of what a block holds. 14 open transactions is reserved.
enum class Section : std::uint16_t {
  kEnd = 0,
  kSpecialNodes = 1,
  kNodes = 2,
  kWatches = 10,
  kConnections = 11,
  kDomains = 12,
  kQuotas = 13,
};

struct BlockHeader {
  std::uint32_t crc = 0;
  std::uint32_t bytes = 0;
  std::uint16_t section = 0;
  std::uint16_t flags = 0;
  std::uint32_t index = 0;
};

[[nodiscard]] std::string encode_checkpoint_header(const CheckpointMeta& meta);
[[nodiscard]] HeaderState decode_checkpoint_header(std::string_view bytes, CheckpointMeta& out);

/// What binds blocks to their file: the CRC of the header's bytes before its own checksum. (Of all
/// 256 bytes it would be the same for every file.)
[[nodiscard]] std::uint32_t checkpoint_seed(std::string_view header) noexcept;

/// `block` is kBlockHeaderBytes of room followed by the payload; `seed` is checkpoint_seed().
void seal_block(std::string& block, Section section, std::uint32_t index, std::uint32_t seed);
[[nodiscard]] BlockHeader decode_block_header(std::string_view bytes) noexcept;
[[nodiscard]] bool block_is_good(const BlockHeader& header, std::string_view header_bytes,
                                 std::string_view payload, std::uint32_t seed) noexcept;

inline void append_varint(std::string& out, std::uint64_t value) {
  char buffer[10];
  std::size_t size = 0;
  while (value >= 0x80) {
    buffer[size++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  buffer[size++] = static_cast<char>(value);
  out.append(buffer, size);
}

/// Takes values off the front of a block's payload; false when they are not there.
class EntryReader {
 public:
  explicit EntryReader(std::string_view bytes) noexcept : rest_(bytes) {}
  [[nodiscard]] bool done() const noexcept { return rest_.empty(); }
  [[nodiscard]] bool varint(std::uint64_t& value) noexcept {
    value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return shift < 63 || byte <= 1;
    }
    return false;
  }
  [[nodiscard]] bool bytes(std::string_view& out) noexcept {
    std::uint64_t size = 0;
    if (!varint(size) || size > rest_.size()) return false;
    out = rest_.substr(0, static_cast<std::size_t>(size));
    rest_.remove_prefix(static_cast<std::size_t>(size));
    return true;
  }

 private:
  std::string_view rest_;
};

}  // namespace vxs::store
