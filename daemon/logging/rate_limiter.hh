// Keeps guests from flooding the log (conformance G6: one line in 10 s per domain). Pure: the
// clock comes in.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>

namespace vxs::logging {

/// At most `burst` lines per key and `interval`. Main thread, or one per thread.
class RateLimiter {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    Clock::duration interval = std::chrono::seconds(10);
    std::uint32_t burst = 1;
    /// Keys remembered. One too many shares a budget with all others that are too many, so that
    /// memory is bounded and many keys together cannot flood either.
    std::size_t max_keys = 4096;
  };

  RateLimiter();
  explicit RateLimiter(const Options& options);

  /// Nothing: swallow the line. A number: write it, and mention, if it is not 0, how many lines of
  /// this key were swallowed since the last one that was written.
  [[nodiscard]] std::optional<std::uint64_t> admit(std::uint64_t key, Clock::time_point now);

  /// Forgets a key, of a connection that is gone, say.
  void forget(std::uint64_t key);

 private:
  struct Budget {
    Clock::time_point window_start{};
    std::uint32_t written = 0;
    std::uint64_t swallowed = 0;
  };

  [[nodiscard]] Budget& budget_of(std::uint64_t key, Clock::time_point now);
  void drop_idle(Clock::time_point now);

  Options options_;
  std::unordered_map<std::uint64_t, Budget> budgets_;
  Budget overflow_;
  Clock::time_point last_drop_{};
};

}  // namespace vxs::logging
