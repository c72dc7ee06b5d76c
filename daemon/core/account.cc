#include "daemon/core/account.hh"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/core/accounts.hh"

namespace vxs::daemon {

using config::Quota;

namespace {

std::uint64_t moved(std::uint64_t value, std::int64_t by) noexcept {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value) + by);
}

}  // namespace

void Account::add(Quota quota, std::int64_t count) {
  Level& level = levels_[static_cast<std::size_t>(quota)];
  level.now = moved(level.now, count);
  saw(quota, level.now);
}

void Account::saw(Quota quota, std::uint64_t value) noexcept {
  Level& level = levels_[static_cast<std::size_t>(quota)];
  level.highest = std::max(level.highest, value);
  accounts_.raise(*this, quota, value);
}

void Account::add_memory(std::int64_t& part, std::int64_t bytes) {
  part += bytes;
  add(Quota::kMemory, bytes);
  if (limits_ == nullptr) return;
  const std::uint64_t soft = limit(Quota::kSoftMemory);
  const std::uint64_t used = level(Quota::kMemory).now;
  const bool above = soft != 0 && used > soft;
  if (above && !above_soft_) {
    Level& level = levels_[static_cast<std::size_t>(Quota::kSoftMemory)];
    ++level.refused;
    level.refused_us = accounts_.clock_.wall_us();
    accounts_.say(*this, [&] {
      return fmt::format(
          "domain {} uses {} bytes of memory, above its soft limit "
          "soft-memory of {}",
          owner_.domid, used, soft);
    });
  }
  above_soft_ = above;
  reconsider();
}

void Account::add_nodes(std::int64_t nodes, std::int64_t bytes) {
  add(Quota::kNodes, nodes);
  add_memory(memory_.nodes, bytes);
}

void Account::add_watches(std::int64_t count, std::int64_t bytes) {
  add(Quota::kWatches, count);
  add_memory(memory_.watches, bytes);
}

void Account::add_transactions(std::int64_t count, std::int64_t bytes) {
  add(Quota::kTransactions, count);
  add_memory(memory_.transactions, bytes);
}

void Account::add_queued(std::int64_t bytes) { add_memory(memory_.queue, bytes); }

void Account::hit(Quota quota) {
  Level& level = levels_[static_cast<std::size_t>(quota)];
  ++level.refused;
  level.refused_us = accounts_.clock_.wall_us();
  accounts_.say(*this, [&] {
    return fmt::format("domain {} reached its limit of {} ({}); `vxs quota {}` says more",
                       owner_.domid, config::quota_info(quota).name, limit(quota), owner_.domid);
  });
}

bool Account::has_memory(const transactions::Owner& owner, std::uint64_t bytes) const noexcept {
  if (owner == owner_) return fits(Quota::kMemory, bytes);
  const Account* other = accounts_.find(owner);
  return other == nullptr || other->fits(Quota::kMemory, bytes);
}

namespace {

Quota quota_of(transactions::Resource resource) noexcept {
  switch (resource) {
    case transactions::Resource::kNodes:
      return Quota::kNodes;
    case transactions::Resource::kNodeSize:
      return Quota::kNodeSize;
    case transactions::Resource::kTransactionNodes:
      return Quota::kTransactionNodes;
    case transactions::Resource::kMemory:
      break;
  }
  return Quota::kMemory;
}

}  // namespace

void Account::saw(transactions::Resource resource, std::uint64_t value) noexcept {
  saw(quota_of(resource), value);
}

void Account::refused(transactions::Resource resource, const transactions::Owner& owner) {
  Account* other = owner == owner_ ? this : accounts_.find(owner);
  if (other != nullptr) other->hit(quota_of(resource));
}

// --- pausing -------------------------------------------------------------------

std::uint8_t Account::blocked() const noexcept {
  if (limits_ == nullptr) return 0;
  std::uint8_t reasons = 0;
  // At the limit, not above it: as many as it says may be on their way.
  if (!fits(Quota::kOutstanding, 1)) reasons |= kPauseOutstanding;
  // What dom0 gave it (G4) it could never remove if it were not heard.
  if (!fits(Quota::kMemory, 0) && memory_.queue > 0) reasons |= kPauseMemory;
  if (credits_ <= 0) reasons |= kPauseCredits;
  if (accounts_.journal_is_short() && journal_round_ == accounts_.round_ &&
      journal_used_ >= accounts_.journal_share()) {
    reasons |= kPauseJournal;
  }
  return reasons;
}

void Account::reconsider() {
  if (touched_ || (blocked() != 0) == paused_) return;
  touched_ = true;
  accounts_.touched_.push_back(shared_from_this());
}

/// Being paused is how the limit of outstanding requests stops a guest; that is no line in the log.
void Account::count_pause() {
  if ((blocked() & kPauseOutstanding) == 0) return;
  Level& level = levels_[static_cast<std::size_t>(Quota::kOutstanding)];
  ++level.refused;
  level.refused_us = accounts_.clock_.wall_us();
}

void Account::refill(std::int64_t now_us) noexcept {
  const std::int64_t income = (now_us - credited_us_) / kCreditIncomeUs;
  credits_ = std::min(kCredits, credits_ + income);
  credited_us_ = credits_ == kCredits ? now_us : credited_us_ + income * kCreditIncomeUs;
}

void Account::lose_credit(std::int64_t now_us, Seq seq) {
  if (limits_ == nullptr || seq <= blamed_seq_) return;
  blamed_seq_ = seq;
  refill(now_us);
  credits_ = std::max(credits_ - 1, -kCredits);
  if (!indebted_) {
    indebted_ = true;
    accounts_.indebted_.push_back(shared_from_this());
  }
  if (credits_ == 0) {
    accounts_.say(*this, [&] {
      return fmt::format(
          "domain {} has used up its credits: its writes made "
          "transactions of others fail; its requests wait",
          owner_.domid);
    });
  }
  reconsider();
}

void Account::wrote(std::uint64_t bytes, std::uint64_t journal_bytes) {
  if (limits_ == nullptr) return;
  accounts_.share_journal(journal_bytes);
  if (!accounts_.journal_is_short()) return;
  if (journal_round_ != accounts_.round_) {
    journal_round_ = accounts_.round_;
    journal_used_ = 0;
  }
  journal_used_ += bytes;
  if (journal_used_ >= accounts_.journal_share() && !paused_) {
    accounts_.say(*this, [&] {
      return fmt::format(
          "domain {} has used up its share of a journal that is nearly "
          "full; its requests wait until some of it is freed",
          owner_.domid);
    });
  }
  reconsider();
}

// --- requests in flight ----------------------------------------------------------

RequestInFlight::RequestInFlight(std::shared_ptr<Account> account) : account_(std::move(account)) {
  account_->add(Quota::kOutstanding, 1);
  if (!account_->fits(Quota::kOutstanding, 1)) account_->reconsider();
}

RequestInFlight::~RequestInFlight() {
  account_->add(Quota::kOutstanding, -1);
  account_->reconsider();
}

}  // namespace vxs::daemon
