#include "tests/crash/kept/pauses.hh"

#include <algorithm>
#include <cstdio>

namespace vxs::test::kept {
namespace {

double milliseconds(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

}  // namespace

std::string distribution(std::vector<double> values) {
  if (values.empty()) return "none";
  std::sort(values.begin(), values.end());
  const auto at = [&values](std::size_t percent) {
    return values[std::min(values.size() - 1, values.size() * percent / 100)];
  };
  char text[160];
  (void)std::snprintf(text, sizeof text, "p50 %.1f p90 %.1f p99 %.1f max %.1f ms (of %zu)", at(50),
                      at(90), at(99), values.back(), values.size());
  return text;
}

void Pauses::killed(Time now) {
  if (window_ && !window_->served) return;
  finish();
  window_ = Window{.kill = now, .served = std::nullopt, .longest = 0};
}

void Pauses::served(Time now) {
  if (!window_ || window_->served) return;
  window_->served = now;
  restarts_.push_back(milliseconds(now - window_->kill));
}

void Pauses::answered(Time since, Time now) {
  // Asked before it served again, or nobody would have waited.
  if (!window_ || (window_->served && since >= *window_->served)) return;
  window_->longest = std::max(window_->longest, milliseconds(now - std::max(since, window_->kill)));
}

void Pauses::finish() {
  if (window_) longest_.push_back(window_->longest);
  window_.reset();
}

}  // namespace vxs::test::kept
