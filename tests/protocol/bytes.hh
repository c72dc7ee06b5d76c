// Literals with NULs in them, for the tests of this folder.
#pragma once

#include <string_view>

namespace vxs::protocol {

/// The whole literal without the compiler's own final NUL: bytes("a\0") has two.
template <std::size_t N>
constexpr std::string_view bytes(const char (&literal)[N]) {
  return {literal, N - 1};
}

}  // namespace vxs::protocol
