// How many records one commit may hold: one, unless their domain is over its rate or history lags
// behind (design §7, "Cost"). A function of the records' times and of the lag alone: no clock.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "protocol/ids.hh"

namespace vxs::store {

class FoldRate {
 public:
  /// History may lag so far behind before it folds.
  static constexpr std::int64_t kLagUs = 500'000;
  static constexpr unsigned kMostFolded = 64;

  /// Commits per second and domain; 0: nothing is ever folded. `without_rate`: those who have none,
  /// as they have no quotas (G1): what toolstacks do stays single as long as history keeps up.
  explicit FoldRate(std::uint32_t per_second, std::vector<DomId> without_rate = {0})
      : rate_(per_second), without_rate_(std::move(without_rate)) {}

  /// The number of records that the commit with this record may hold: 1, 4, 16 or 64. Counts the
  /// share of a commit that the record costs. A domain may make a second's worth of commits at
  /// once; beyond that they are folded, more and more, until it is at its rate.
  [[nodiscard]] unsigned next(DomId domid, std::int64_t time_us, std::int64_t lag_us);

 private:
  // In millionths of a commit, from -1 to +1 seconds' worth.
  struct Budget {
    std::int64_t left = 0;
    std::int64_t time_us = 0;
  };

  std::uint32_t rate_;
  std::vector<DomId> without_rate_;
  std::unordered_map<DomId, Budget> budgets_;  // at most one for each of 65,536 domids
};

}  // namespace vxs::store
