// Numbers of a stream in either byte order. Internal to protocol/migration/*.cc and its tests.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace vxs::protocol::migration {

enum class ByteOrder : std::uint8_t { kLittle, kBig };

inline constexpr ByteOrder kNativeOrder =
    std::endian::native == std::endian::big ? ByteOrder::kBig : ByteOrder::kLittle;

template <typename Number>
[[nodiscard]] Number load_number(const char* from, ByteOrder order) noexcept {
  std::array<char, sizeof(Number)> bytes;
  std::memcpy(bytes.data(), from, bytes.size());
  if (order != kNativeOrder) std::reverse(bytes.begin(), bytes.end());
  return std::bit_cast<Number>(bytes);
}

template <typename Number>
[[nodiscard]] std::array<char, sizeof(Number)> number_bytes(Number value,
                                                            ByteOrder order) noexcept {
  auto bytes = std::bit_cast<std::array<char, sizeof(Number)>>(value);
  if (order != kNativeOrder) std::reverse(bytes.begin(), bytes.end());
  return bytes;
}

}  // namespace vxs::protocol::migration
