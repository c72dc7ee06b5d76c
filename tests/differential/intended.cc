#include "tests/differential/intended.hh"

#include <algorithm>
#include <array>

namespace vxs::differential {
namespace {

constexpr std::array<Intended, 0> kIntended{};

}  // namespace

std::span<const Intended> intended_differences() { return kIntended; }

const Intended* explain(const Difference& difference) {
  const auto found = std::find_if(kIntended.begin(), kIntended.end(),
                                  [&](const Intended& entry) { return entry.applies(difference); });
  return found == kIntended.end() ? nullptr : &*found;
}

}  // namespace vxs::differential
