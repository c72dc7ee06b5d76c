#include "daemon/logging/rate_limiter.hh"

#include <utility>

namespace vxs::logging {

RateLimiter::RateLimiter() : RateLimiter(Options{}) {}

RateLimiter::RateLimiter(const Options& options) : options_(options) {}

std::optional<std::uint64_t> RateLimiter::admit(std::uint64_t key, Clock::time_point now) {
  Budget& budget = budget_of(key, now);
  if (budget.written == 0 || now - budget.window_start >= options_.interval) {
    budget.window_start = now;
    budget.written = 0;
  }
  if (budget.written >= options_.burst) {
    ++budget.swallowed;
    return std::nullopt;
  }
  ++budget.written;
  return std::exchange(budget.swallowed, 0);
}

void RateLimiter::forget(std::uint64_t key) { budgets_.erase(key); }

RateLimiter::Budget& RateLimiter::budget_of(std::uint64_t key, Clock::time_point now) {
  if (const auto found = budgets_.find(key); found != budgets_.end()) return found->second;
  if (budgets_.size() >= options_.max_keys) drop_idle(now);
  if (budgets_.size() >= options_.max_keys) return overflow_;
  return budgets_[key];
}

void RateLimiter::drop_idle(Clock::time_point now) {
  // A full table is looked through once per interval at most: a flood of new keys stays O(1) each.
  if (now - last_drop_ < options_.interval && last_drop_ != Clock::time_point{}) return;
  last_drop_ = now;
  std::erase_if(budgets_, [&](const auto& entry) {
    return now - entry.second.window_start >= options_.interval;
  });
}

}  // namespace vxs::logging
