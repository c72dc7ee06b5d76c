// The intended differences between 4.17's C xenstored and vxenstored, as data.
#pragma once

#include <span>
#include <string_view>

#include "tests/differential/lockstep.hh"

namespace vxs::differential {

struct Intended {
  std::string_view item;  // of the conformance list
  std::string_view what;  // 4.17's behaviour, then ours
  bool (*applies)(const Difference&);
  // Brings both sides to the same state again; null when the step left none.
  void (*repair)(Lockstep&, const Difference&);
};

constexpr size_t kMostIntended = 40;

std::span<const Intended> intended_differences();

// The entry that explains a difference, null if none does.
const Intended* explain(const Difference& difference);

}  // namespace vxs::differential
