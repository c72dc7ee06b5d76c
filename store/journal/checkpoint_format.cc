#include "store/journal/checkpoint_format.hh"

#include <algorithm>

#include "store/journal/crc32c.hh"

namespace vxs::store {
namespace {

constexpr std::string_view kMagic = "VXSCKPT\n";
constexpr std::uint32_t kCleanShutdown = 1;
constexpr std::uint32_t kHistoryOff = 2;
constexpr std::size_t kCrcAt = kCheckpointHeaderBytes - 4;
constexpr std::size_t kBootAt = 64;

}  // namespace

std::string encode_checkpoint_header(const CheckpointMeta& meta) {
  std::string out(kCheckpointHeaderBytes, '\0');
  char* p = out.data();
  std::memcpy(p, kMagic.data(), kMagic.size());
  store_le(p + 8, kCheckpointVersion);
  store_le(p + 12, static_cast<std::uint32_t>(kCheckpointHeaderBytes));
  store_le(p + 16, meta.seq);
  store_le(p + 24, meta.time_us);
  store_le(p + 32, meta.starts);
  store_le(p + 40, meta.last_connection);
  store_le(p + 48,
           (meta.clean_shutdown ? kCleanShutdown : 0U) | (meta.history.off ? kHistoryOff : 0U));
  store_le(p + 56, meta.history.seq);
  std::memcpy(p + kBootAt, meta.boot_id.data(), std::min(meta.boot_id.size(), kBootIdBytes));
  store_le(p + kCrcAt, crc32c(0, p, kCrcAt));
  return out;
}

HeaderState decode_checkpoint_header(std::string_view bytes, CheckpointMeta& out) {
  if (bytes.size() < kCheckpointHeaderBytes) return HeaderState::kBad;
  const char* p = bytes.data();
  if (bytes.substr(0, kMagic.size()) != kMagic ||
      load_le<std::uint32_t>(p + kCrcAt) != crc32c(0, p, kCrcAt)) {
    return HeaderState::kBad;
  }
  if (load_le<std::uint32_t>(p + 8) > kCheckpointVersion) return HeaderState::kNewerVersion;
  if (load_le<std::uint32_t>(p + 12) != kCheckpointHeaderBytes) return HeaderState::kBad;
  out.seq = load_le<std::uint64_t>(p + 16);
  out.time_us = load_le<std::int64_t>(p + 24);
  out.starts = load_le<std::uint64_t>(p + 32);
  out.last_connection = load_le<std::uint64_t>(p + 40);
  const auto flags = load_le<std::uint32_t>(p + 48);
  out.clean_shutdown = (flags & kCleanShutdown) != 0;
  out.history.off = (flags & kHistoryOff) != 0;
  out.history.seq = load_le<std::uint64_t>(p + 56);
  const std::string_view boot = bytes.substr(kBootAt, kBootIdBytes);
  out.boot_id = boot.substr(0, boot.find('\0'));
  return HeaderState::kGood;
}

std::uint32_t checkpoint_seed(std::string_view header) noexcept {
  return crc32c(0, header.substr(0, kCheckpointHeaderBytes - sizeof(std::uint32_t)));
}

void seal_block(std::string& block, Section section, std::uint32_t index, std::uint32_t seed) {
  char* p = block.data();
  store_le(p + 4, static_cast<std::uint32_t>(block.size() - kBlockHeaderBytes));
  store_le(p + 8, static_cast<std::uint16_t>(section));
  store_le(p + 10, std::uint16_t{0});
  store_le(p + 12, index);
  store_le(p, crc32c(seed, p + 4, block.size() - 4));
}

BlockHeader decode_block_header(std::string_view bytes) noexcept {
  const char* p = bytes.data();
  return {.crc = load_le<std::uint32_t>(p),
          .bytes = load_le<std::uint32_t>(p + 4),
          .section = load_le<std::uint16_t>(p + 8),
          .flags = load_le<std::uint16_t>(p + 10),
          .index = load_le<std::uint32_t>(p + 12)};
}

bool block_is_good(const BlockHeader& header, std::string_view header_bytes,
                   std::string_view payload, std::uint32_t seed) noexcept {
  const std::uint32_t begun = crc32c(seed, header_bytes.substr(4, kBlockHeaderBytes - 4));
  return header.crc == crc32c(begun, payload);
}

}  // namespace vxs::store
