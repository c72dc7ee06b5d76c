// CRC32C (Castagnoli, RFC 3720), the checksum of journal and checkpoint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vxs::store {

/// Continues `crc` (0 to begin) over `size` bytes; crc32c(crc32c(0, a), b) is that of a and b
/// joined. Uses the CPU's crc32 instruction where it has one.
[[nodiscard]] std::uint32_t crc32c(std::uint32_t crc, const void* data, std::size_t size) noexcept;

[[nodiscard]] inline std::uint32_t crc32c(std::uint32_t crc, std::string_view data) noexcept {
  return crc32c(crc, data.data(), data.size());
}

/// The same by table, on any CPU; for tests that compare the two.
[[nodiscard]] std::uint32_t crc32c_portable(std::uint32_t crc, const void* data,
                                            std::size_t size) noexcept;

}  // namespace vxs::store
