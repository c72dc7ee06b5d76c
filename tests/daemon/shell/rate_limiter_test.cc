// The log's rate limit, on a clock of the test's own.
#include "daemon/logging/rate_limiter.hh"

#include <gtest/gtest.h>

namespace vxs::logging {
namespace {

using namespace std::chrono_literals;

RateLimiter::Clock::time_point at(std::chrono::milliseconds time) {
  return RateLimiter::Clock::time_point(1h + time);
}

TEST(RateLimiter, G6_OneLineInTenSecondsPerKeyAndTheSwallowedAreCounted) {
  RateLimiter limiter;
  EXPECT_EQ(limiter.admit(5, at(0s)), 0U);
  EXPECT_EQ(limiter.admit(5, at(1s)), std::nullopt);
  EXPECT_EQ(limiter.admit(5, at(9999ms)), std::nullopt);
  EXPECT_EQ(limiter.admit(6, at(9999ms)), 0U);  // another domain has its own
  EXPECT_EQ(limiter.admit(5, at(10s)), 2U);
  EXPECT_EQ(limiter.admit(5, at(11s)), std::nullopt);
  EXPECT_EQ(limiter.admit(5, at(20s)), 1U);
  EXPECT_EQ(limiter.admit(5, at(90s)), 0U);
}

TEST(RateLimiter, BurstIsPerInterval) {
  RateLimiter limiter({.interval = 1s, .burst = 3});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limiter.admit(1, at(0s)), 0U);
  EXPECT_EQ(limiter.admit(1, at(500ms)), std::nullopt);
  EXPECT_EQ(limiter.admit(1, at(1s)), 1U);
  EXPECT_EQ(limiter.admit(1, at(1s)), 0U);
  EXPECT_EQ(limiter.admit(1, at(1s)), 0U);
  EXPECT_EQ(limiter.admit(1, at(1s)), std::nullopt);
}

TEST(RateLimiter, TooManyKeysShareOneBudgetUntilOthersAreIdle) {
  RateLimiter limiter({.interval = 10s, .burst = 1, .max_keys = 2});
  EXPECT_TRUE(limiter.admit(1, at(0s)));
  EXPECT_TRUE(limiter.admit(2, at(0s)));
  EXPECT_TRUE(limiter.admit(3, at(1s)));
  for (std::uint64_t key = 4; key < 1000; ++key) EXPECT_FALSE(limiter.admit(key, at(2s)));
  EXPECT_TRUE(limiter.admit(1000, at(20s)));  // 1 and 2 were idle: room again
  EXPECT_TRUE(limiter.admit(1001, at(20s)));
  EXPECT_FALSE(limiter.admit(1001, at(21s)));
}

TEST(RateLimiter, ForgottenKeyStartsAnew) {
  RateLimiter limiter;
  EXPECT_TRUE(limiter.admit(1, at(0s)));
  limiter.forget(1);
  EXPECT_EQ(limiter.admit(1, at(1s)), 0U);
}

}  // namespace
}  // namespace vxs::logging
