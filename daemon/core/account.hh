// What one guest's life uses of the daemon, against its limits (conformance G1..G10, E13). Values
// only; accounts.hh holds all of them.
//
// Limits are allowed exactly (G2); 0 is none. An account without limits (dom0, a domain without a
// ring) is counted and never refused.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "daemon/config/quota.hh"
#include "transactions/limits.hh"
#include "transactions/node_usage.hh"

namespace vxs::daemon {

class Accounts;

/// Why a guest's requests are not read; bits.
enum PauseReason : std::uint8_t {
  kPauseOutstanding = 1,  ///< G5
  kPauseMemory = 2,       ///< G6, while something is queued whose sending frees memory
  kPauseCredits = 4,      ///< E13
  kPauseJournal = 8,      ///< its share of a journal that is nearly full is used up
};

/// One thread.
class Account final : public transactions::Limits, public std::enable_shared_from_this<Account> {
 public:
  Account(Accounts& accounts, transactions::Owner owner) : accounts_(accounts), owner_(owner) {}
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;

  [[nodiscard]] const transactions::Owner& owner() const noexcept { return owner_; }
  [[nodiscard]] bool limited() const noexcept { return limits_ != nullptr; }
  /// 0: none.
  [[nodiscard]] std::uint32_t limit(config::Quota quota) const noexcept {
    return limits_ == nullptr ? 0 : (*limits_)[quota];
  }

  /// What is used of one resource. Of those that bind single requests and transactions only the
  /// largest seen is known.
  struct Level {
    std::uint64_t now = 0;
    std::uint64_t highest = 0;
    std::uint64_t refused = 0;    ///< how often the limit stopped something
    std::int64_t refused_us = 0;  ///< when last (wall clock)
  };
  [[nodiscard]] const Level& level(config::Quota quota) const noexcept {
    return levels_[static_cast<std::size_t>(quota)];
  }
  /// What the memory consists of (G6).
  struct Memory {
    std::int64_t nodes = 0;
    std::int64_t transactions = 0;
    std::int64_t watches = 0;
    std::int64_t queue = 0;
    friend bool operator==(const Memory&, const Memory&) = default;
  };
  [[nodiscard]] const Memory& memory() const noexcept { return memory_; }

  /// May `more` be added?
  [[nodiscard]] bool fits(config::Quota quota, std::uint64_t more) const noexcept {
    const std::uint64_t most = limit(quota);
    return most == 0 || level(quota).now + more <= most;
  }
  /// May a single request or transaction use so much?
  [[nodiscard]] bool allows(config::Quota quota, std::uint64_t value) const noexcept {
    const std::uint64_t most = limit(quota);
    return most == 0 || value <= most;
  }
  /// A limit stopped something: counts it, and says so in the log at most once in 10 s per domain.
  void hit(config::Quota quota);
  /// So much was used of what binds single requests.
  void saw(config::Quota quota, std::uint64_t value) noexcept;

  // --- what is used ----------------------------------------------------------
  void add_nodes(std::int64_t nodes, std::int64_t bytes);
  void add_watches(std::int64_t count, std::int64_t bytes);
  void add_transactions(std::int64_t count, std::int64_t bytes);
  /// Replies and events: their payload and 16 bytes each.
  void add_queued(std::int64_t bytes);

  // --- pausing ---------------------------------------------------------------
  /// PauseReason bits; 0: its requests may be read.
  [[nodiscard]] std::uint8_t blocked() const noexcept;
  /// Its commit `seq` made another's transaction fail. One commit costs one credit, whoever lost by
  /// it and how often (E13); an older one than was paid for costs nothing any more.
  void lose_credit(std::int64_t now_us, Seq seq);
  [[nodiscard]] std::int64_t credits() const noexcept { return credits_; }
  /// It appended so many bytes to a journal that has `journal_bytes` now.
  void wrote(std::uint64_t bytes, std::uint64_t journal_bytes);

  // --- transactions::Limits ----------------------------------------------------
  [[nodiscard]] std::uint64_t nodes() const noexcept override {
    return limit(config::Quota::kNodes);
  }
  [[nodiscard]] std::uint64_t node_size() const noexcept override {
    return limit(config::Quota::kNodeSize);
  }
  [[nodiscard]] std::uint64_t transaction_nodes() const noexcept override {
    return limit(config::Quota::kTransactionNodes);
  }
  [[nodiscard]] std::uint64_t nodes_owned() const noexcept override {
    return level(config::Quota::kNodes).now;
  }
  [[nodiscard]] bool has_memory(const transactions::Owner& owner,
                                std::uint64_t bytes) const noexcept override;
  void saw(transactions::Resource resource, std::uint64_t value) noexcept override;
  void refused(transactions::Resource resource, const transactions::Owner& owner) override;

 private:
  friend class Accounts;
  friend class RequestInFlight;
  void add(config::Quota quota, std::int64_t count);
  void add_memory(std::int64_t& part, std::int64_t bytes);
  /// Tells the Accounts if pausing is due, or its end.
  void reconsider();
  void refill(std::int64_t now_us) noexcept;
  void count_pause();

  Accounts& accounts_;
  transactions::Owner owner_;
  const config::QuotaSettings* limits_ = nullptr;
  std::array<Level, config::kQuotaCount> levels_{};
  Memory memory_;
  std::int64_t credits_ = kCredits;
  std::int64_t credited_us_ = 0;
  Seq blamed_seq_ = 0;  ///< the newest commit paid for
  std::uint64_t journal_used_ = 0;
  std::uint64_t journal_round_ = 0;
  std::optional<std::int64_t> said_us_;  ///< the last line in the log
  bool above_soft_ = false;
  bool paused_ = false;
  bool touched_ = false;
  bool indebted_ = false;

 public:
  static constexpr std::int64_t kCredits = 5;              ///< burst
  static constexpr std::int64_t kCreditIncomeUs = 50'000;  ///< one credit in so long
};

/// A request of a guest that is not over: held by its reply and by each event it caused for another
/// ring until they are written or dropped (G5).
class RequestInFlight {
 public:
  explicit RequestInFlight(std::shared_ptr<Account> account);
  ~RequestInFlight();
  RequestInFlight(const RequestInFlight&) = delete;
  RequestInFlight& operator=(const RequestInFlight&) = delete;

 private:
  std::shared_ptr<Account> account_;
};
using Cause = std::shared_ptr<const RequestInFlight>;

}  // namespace vxs::daemon
