// The hash of states that two processes compare: fast, the same on every machine of one byte order,
// and against accidents only. Nobody who could choose what is hashed gains by a collision.
#pragma once

#include <cstdint>
#include <string_view>

namespace vxs::store {

[[nodiscard]] inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  std::uint64_t h = (a ^ 0x9E3779B97F4A7C15U) + b * 0xBF58476D1CE4E5B9U;
  h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9U;
  h = (h ^ (h >> 27)) * 0x94D049BB133111EBU;
  return h ^ (h >> 31);
}

[[nodiscard]] inline std::uint64_t mix_text(std::uint64_t h, std::string_view text) noexcept {
  std::uint64_t word = 0;
  unsigned filled = 0;
  for (const char c : text) {
    word = (word << 8) | static_cast<unsigned char>(c);
    if (++filled == 8) {
      h = mix(h, word);
      word = 0;
      filled = 0;
    }
  }
  return mix(mix(h, word), text.size());
}

}  // namespace vxs::store
