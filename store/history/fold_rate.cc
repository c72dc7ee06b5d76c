#include "store/history/fold_rate.hh"

#include <algorithm>

namespace vxs::store {
namespace {

constexpr std::int64_t kCommit = 1'000'000;

unsigned for_lag(std::int64_t lag_us) noexcept {
  if (lag_us <= FoldRate::kLagUs) return 1;
  if (lag_us <= 4 * FoldRate::kLagUs) return 4;
  return lag_us <= 16 * FoldRate::kLagUs ? 16 : FoldRate::kMostFolded;
}

}  // namespace

unsigned FoldRate::next(DomId domid, std::int64_t time_us, std::int64_t lag_us) {
  if (rate_ == 0) return 1;
  if (std::ranges::find(without_rate_, domid) != without_rate_.end()) return for_lag(lag_us);
  const std::int64_t most = kCommit * rate_;
  const auto [at, fresh] = budgets_.try_emplace(domid, Budget{most, time_us});
  Budget& budget = at->second;
  // A clock that goes backwards gives nothing; after one second a budget is full anyway.
  const std::int64_t passed = std::clamp<std::int64_t>(time_us - budget.time_us, 0, 2 * kCommit);
  budget.time_us = time_us;
  budget.left = std::min(most, budget.left + passed * rate_);

  unsigned folded = FoldRate::kMostFolded;
  if (budget.left > 0) {
    folded = 1;
  } else if (budget.left > -most / 4) {
    folded = 4;
  } else if (budget.left > -most / 2) {
    folded = 16;
  }
  folded = std::max(folded, for_lag(lag_us));
  budget.left = std::max(-most, budget.left - kCommit / folded);
  return folded;
}

}  // namespace vxs::store
