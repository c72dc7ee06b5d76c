// A finished pack of ours, read for copying: its index and its entries' headers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/history/object_id.hh"
#include "store/history/pack_builder.hh"

namespace vxs::store {

/// Parses an index (version 2): the entries in the order of the pack. Nothing if the bytes are no
/// such index.
[[nodiscard]] std::optional<std::vector<PackEntry>> parse_pack_index(std::string_view index);

/// An entry's header.
struct EntryHeader {
  unsigned type = 0;           ///< 1 commit, 2 tree, 3 blob, 6 delta to an offset
  std::uint64_t size = 0;      ///< of the inflated data
  std::uint64_t distance = 0;  ///< to a delta's base
  std::size_t length = 0;      ///< of the header
};
/// Nothing for a cut header or a type we never write.
[[nodiscard]] std::optional<EntryHeader> parse_entry_header(std::string_view entry) noexcept;

/// CRC32 as an index has it.
[[nodiscard]] std::uint32_t entry_crc(std::string_view entry) noexcept;

}  // namespace vxs::store
