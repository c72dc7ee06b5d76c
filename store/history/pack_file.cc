#include "store/history/pack_file.hh"

#include <zlib.h>

#include <algorithm>

namespace vxs::store {
namespace {

constexpr std::size_t kIdSize = 20;

std::uint32_t be32(std::string_view bytes, std::size_t at) noexcept {
  std::uint32_t value = 0;
  for (const char c : bytes.substr(at, 4)) value = value << 8U | static_cast<unsigned char>(c);
  return value;
}

}  // namespace

std::optional<std::vector<PackEntry>> parse_pack_index(std::string_view index) {
  using namespace std::string_view_literals;
  constexpr std::size_t kFanout = 8;
  constexpr std::size_t kIds = kFanout + 4 * 256;
  constexpr std::uint32_t kFar = 0x80000000U;
  if (index.size() < kIds + 2 * kIdSize || !index.starts_with("\377tOc\0\0\0\2"sv)) {
    return std::nullopt;
  }
  const std::size_t count = be32(index, kIds - 4);
  const std::size_t crcs = kIds + count * kIdSize;
  const std::size_t offsets = crcs + count * 4;
  const std::size_t far = offsets + count * 4;
  if (index.size() < far + 2 * kIdSize) return std::nullopt;
  std::vector<PackEntry> entries(count);
  for (std::size_t i = 0; i < count; ++i) {
    PackEntry& entry = entries[i];
    entry.id = ObjectId::from_raw(index.substr(kIds + i * kIdSize, kIdSize));
    entry.crc = be32(index, crcs + 4 * i);
    entry.offset = be32(index, offsets + 4 * i);
    if (entry.offset < kFar) continue;
    const std::size_t at = far + 8 * (entry.offset - kFar);
    if (at + 8 + 2 * kIdSize > index.size()) return std::nullopt;
    entry.offset = std::uint64_t{be32(index, at)} << 32U | be32(index, at + 4);
  }
  std::ranges::sort(entries, {}, &PackEntry::offset);
  return entries;
}

std::optional<EntryHeader> parse_entry_header(std::string_view entry) noexcept {
  constexpr unsigned kOfsDelta = 6;
  EntryHeader header;
  const auto next = [&]() -> int {
    if (header.length >= entry.size() || header.length > 20) return -1;
    return static_cast<unsigned char>(entry[header.length++]);
  };
  int byte = next();
  if (byte < 0) return std::nullopt;
  header.type = static_cast<unsigned>(byte) >> 4U & 7U;
  header.size = static_cast<unsigned>(byte) & 0xFU;
  for (unsigned shift = 4; (byte & 0x80) != 0; shift += 7) {
    byte = next();
    if (byte < 0 || shift > 57) return std::nullopt;
    header.size |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
  }
  if (header.type >= 1 && header.type <= 3) return header;
  if (header.type != kOfsDelta) return std::nullopt;
  byte = next();
  if (byte < 0) return std::nullopt;
  header.distance = static_cast<unsigned>(byte) & 0x7FU;
  while ((byte & 0x80) != 0) {
    byte = next();
    if (byte < 0) return std::nullopt;
    header.distance = (header.distance + 1) << 7U | (static_cast<unsigned>(byte) & 0x7FU);
  }
  return header;
}

std::uint32_t entry_crc(std::string_view entry) noexcept {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(entry.data()), entry.size()));
}

}  // namespace vxs::store
