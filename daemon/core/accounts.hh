// The accounts of all domains: fed with every change of the head, asked before a guest's request is
// carried out, and the place where it is decided whose input rests (conformance G, E13; design §7,
// §8).
//
// Pure: the clock comes in, pausing goes out through settle(). One thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/config/quota.hh"
#include "daemon/core/account.hh"
#include "daemon/core/clock.hh"
#include "daemon/core/observer.hh"
#include "transactions/node_usage.hh"

namespace vxs::daemon {

class Domains;

class Accounts final : public transactions::NodeLedger {
 public:
  /// `journal_budget`: bytes the journal may take (0: unknown, guests have no shares of it).
  /// `domains` says who is no guest; it outlives this object.
  Accounts(Clock& clock, Observer& observer, const Domains& domains, std::uint64_t journal_budget)
      : clock_(clock), observer_(observer), domains_(domains), journal_budget_(journal_budget) {}

  /// A guest with a ring: its account, bound to `limits` until close(). `limits` may change
  /// meanwhile.
  std::shared_ptr<Account> open(const transactions::Owner& owner,
                                const config::QuotaSettings& limits);
  /// Its ring is gone. Nodes that are left stay counted; nothing else is.
  void close(const transactions::Owner& owner);
  /// `limits` of an open account were set anew.
  void limits_changed(const transactions::Owner& owner);

  /// nullptr if it neither owns nodes nor is open. Valid until the next change.
  [[nodiscard]] Account* find(const transactions::Owner& owner) const;
  using Map = std::map<transactions::Owner, std::shared_ptr<Account>>;
  [[nodiscard]] const Map& all() const noexcept { return accounts_; }
  /// The account that is open for `domid`; nullptr if none is.
  [[nodiscard]] Account* open_of(DomId domid) const;

  /// The head is another tree (a rollback): counts nodes anew. O(nodes).
  void recount(const store::Tree& tree);
  /// What is counted wrongly, as sentences: a defect of ours. O(nodes).
  [[nodiscard]] std::vector<std::string> check(const store::Tree& tree) const;

  /// The highest value of any guest since the start or reset_highest() (H2 "quota max").
  [[nodiscard]] std::uint64_t highest(config::Quota quota) const noexcept {
    return highest_[static_cast<std::size_t>(quota)];
  }
  void reset_highest();

  // --- pausing ---------------------------------------------------------------
  /// Cheap: is there anything for settle()?
  [[nodiscard]] bool unsettled() const noexcept { return !touched_.empty(); }
  /// Calls `pause` for each guest whose input has to rest from now on, or no longer.
  void settle(const std::function<void(DomId domid, bool paused)>& pause);
  /// Time passes: credits come in, shares are given out again.
  void advance(std::uint64_t journal_bytes);
  /// When advance() is due; nothing if nobody waits for the clock.
  [[nodiscard]] std::optional<std::int64_t> next_us() const noexcept;

  /// A guest may append so much in this shortage; all if there is none.
  [[nodiscard]] bool journal_is_short() const noexcept { return short_; }
  [[nodiscard]] std::uint64_t journal_share() const noexcept { return share_; }

 private:
  friend class Account;
  friend class RequestInFlight;
  void adjust(const transactions::Owner& owner, std::int64_t nodes, std::int64_t bytes) override;
  void raise(const Account& account, config::Quota quota, std::uint64_t value) noexcept;
  void say(Account& account, const std::function<std::string()>& sentence);
  /// Shares out what is left of the journal when it gets short, and again when some was freed.
  void share_journal(std::uint64_t journal_bytes);
  [[nodiscard]] std::size_t open_count() const noexcept { return open_count_; }

  Clock& clock_;
  Observer& observer_;
  const Domains& domains_;
  std::uint64_t journal_budget_;
  Map accounts_;
  Account* last_ = nullptr;  ///< the one adjust() used last
  std::size_t open_count_ = 0;
  std::array<std::uint64_t, config::kQuotaCount> highest_{};
  std::vector<std::shared_ptr<Account>> touched_;
  std::vector<std::shared_ptr<Account>> indebted_;

  bool short_ = false;
  std::uint64_t share_ = 0;
  std::uint64_t round_ = 0;  ///< counts the sharings-out
  std::uint64_t journal_bytes_ = 0;
};

}  // namespace vxs::daemon
