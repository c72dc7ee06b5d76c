// The invariants of the fuzz targets end here.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace vxs::fuzz {

/// A finding: says what does not hold, then dies as libFuzzer expects it.
inline void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "invariant broken: %s\n", what);
  std::abort();
}

/// True if `part` lies within `whole` in memory (an empty one anywhere in it).
inline bool lies_in(std::string_view part, std::string_view whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

}  // namespace vxs::fuzz

// What libFuzzer and replay_main.cc call. Returns 0.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size);
