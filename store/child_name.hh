// A path component as the tree looks it up: its length, its hash and its first
// word, found in one pass over the path.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace vxs::store {

/// The bits of a name's hash that are used; tests use few, to meet collisions everywhere.
#ifndef VXS_TREE_HASH_BITS
#define VXS_TREE_HASH_BITS 32
#endif

struct ChildName {
  const char* data = nullptr;
  std::uint32_t size = 0;
  std::uint32_t hash = 0;
  std::uint64_t first_word = 0;  ///< bytes 0..7, little-endian, zero past the end

  [[nodiscard]] std::string_view view() const noexcept { return {data, size}; }

  /// The component that starts at `text[from]` and ends before the next '/' or at the end of
  /// `text`. Every byte of it is looked at once, eight at a time.
  [[nodiscard]] static ChildName scan(std::string_view text, std::size_t from) noexcept;
  /// A whole name. It has no '/', or it is nobody's name (size then differs from name.size()).
  [[nodiscard]] static ChildName whole(std::string_view name) noexcept { return scan(name, 0); }
};

namespace detail {

inline std::uint64_t little_endian(std::uint64_t word) noexcept {
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

inline std::uint64_t load_word(const char* bytes) noexcept {
  std::uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return little_endian(word);
}

/// The first `size` < 8 bytes at `bytes`; `before` more bytes may be read in front of them.
inline std::uint64_t load_tail(const char* bytes, std::size_t size, std::size_t before) noexcept {
  if (size == 0) return 0;
  if (before + size >= 8) return load_word(bytes + size - 8) >> (8 * (8 - size));
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < size; ++i) {
    word |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  return word;
}

inline std::uint64_t hash_word(std::uint64_t h, std::uint64_t word) noexcept {
  h = (h ^ word) * 0x9E3779B97F4A7C15U;
  return h ^ (h >> 32);
}

}  // namespace detail

inline ChildName ChildName::scan(std::string_view text, std::size_t from) noexcept {
  constexpr std::uint64_t kLow = 0x0101010101010101U;
  constexpr std::uint64_t kHigh = 0x8080808080808080U;
  constexpr std::uint64_t kSlashes = kLow * static_cast<unsigned char>('/');
  ChildName name;
  name.data = text.data() + from;
  const std::size_t left = text.size() - from;
  std::uint64_t h = 0xA0761D6478BD642FU;
  std::size_t at = 0;
  for (;;) {
    const std::size_t rest = left - at;
    const std::uint64_t word = rest >= 8 ? detail::load_word(name.data + at)
                                         : detail::load_tail(name.data + at, rest, from + at);
    // The lowest set bit marks the first '/' (bits above it may be wrong).
    const std::uint64_t x = word ^ kSlashes;
    const std::uint64_t found = (x - kLow) & ~x & kHigh;
    std::size_t taken = rest < 8 ? rest : 8;
    if (found != 0) taken = static_cast<std::size_t>(std::countr_zero(found)) / 8;
    const std::uint64_t kept = taken == 8 ? word : word & ((std::uint64_t{1} << (8 * taken)) - 1);
    if (at == 0) name.first_word = kept;
    h = detail::hash_word(h, kept);
    at += taken;
    if (taken < 8) break;
  }
  name.size = static_cast<std::uint32_t>(at);
  h = detail::hash_word(h, at);
  name.hash = static_cast<std::uint32_t>((h * 0xE7037ED1A0B428DBU) >> 32);
  if constexpr (VXS_TREE_HASH_BITS < 32) name.hash &= (1U << (VXS_TREE_HASH_BITS % 32)) - 1;
  return name;
}

}  // namespace vxs::store
