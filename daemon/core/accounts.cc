#include "daemon/core/accounts.hh"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/core/domains.hh"

namespace vxs::daemon {
namespace {

using config::Quota;
using transactions::Owner;

/// One line in the log per domain and so long (G6).
constexpr std::int64_t kLineUs = 10'000'000;

}  // namespace

// --- who there is ----------------------------------------------------------------

std::shared_ptr<Account> Accounts::open(const Owner& owner, const config::QuotaSettings& limits) {
  auto& account = accounts_[owner];
  if (!account) account = std::make_shared<Account>(*this, owner);
  if (!account->limited()) ++open_count_;
  account->limits_ = &limits;
  account->reconsider();
  return account;
}

void Accounts::close(const Owner& owner) {
  const auto found = accounts_.find(owner);
  if (found == accounts_.end() || !found->second->limited()) return;
  Account& account = *found->second;
  account.limits_ = nullptr;
  account.paused_ = false;
  --open_count_;
  std::erase_if(touched_, [&](const auto& one) { return one.get() == &account; });
  std::erase_if(indebted_, [&](const auto& one) { return one.get() == &account; });
  account.touched_ = account.indebted_ = false;
  // Its nodes may keep it: what is opened again owes nothing, for nobody would let it go on.
  account.credits_ = Account::kCredits;
  account.above_soft_ = false;
  if (account.level(Quota::kNodes).now != 0) return;
  if (last_ == &account) last_ = nullptr;
  accounts_.erase(found);
}

void Accounts::limits_changed(const Owner& owner) {
  if (Account* account = find(owner)) account->reconsider();
}

Account* Accounts::find(const Owner& owner) const {
  const auto found = accounts_.find(owner);
  return found == accounts_.end() ? nullptr : found->second.get();
}

Account* Accounts::open_of(DomId domid) const {
  for (auto at = accounts_.lower_bound({domid, 0});
       at != accounts_.end() && at->first.domid == domid; ++at) {
    if (at->second->limited()) return at->second.get();
  }
  return nullptr;
}

// --- counting --------------------------------------------------------------------

void Accounts::adjust(const Owner& owner, std::int64_t nodes, std::int64_t bytes) {
  if (last_ == nullptr || last_->owner() != owner) {
    auto& account = accounts_[owner];
    if (!account) account = std::make_shared<Account>(*this, owner);
    last_ = account.get();
  }
  last_->add_nodes(nodes, bytes);
  if (nodes < 0 && !last_->limited() && last_->level(Quota::kNodes).now == 0) {
    last_ = nullptr;
    accounts_.erase(owner);
  }
}

void Accounts::recount(const store::Tree& tree) {
  for (const auto& [owner, account] : accounts_) {
    account->add_nodes(-static_cast<std::int64_t>(account->level(Quota::kNodes).now),
                       -account->memory().nodes);
  }
  add_tree(tree);
  last_ = nullptr;
  std::erase_if(accounts_, [](const auto& one) {
    return !one.second->limited() && one.second->level(Quota::kNodes).now == 0;
  });
}

std::vector<std::string> Accounts::check(const store::Tree& tree) const {
  transactions::NodeUsage again;
  again.add_tree(tree);
  std::vector<std::string> findings;
  const auto compare = [&](const Owner& owner, std::int64_t nodes, std::int64_t bytes) {
    const auto share = again.of(owner);
    if (share.nodes == nodes && share.bytes == bytes) return;
    findings.push_back(
        fmt::format("domain {}: {} nodes of {} bytes are accounted, it owns {} of {}", owner.domid,
                    nodes, bytes, share.nodes, share.bytes));
  };
  for (const auto& [owner, account] : accounts_) {
    compare(owner, static_cast<std::int64_t>(account->level(Quota::kNodes).now),
            account->memory().nodes);
    const auto& memory = account->memory();
    const std::int64_t sum = memory.nodes + memory.transactions + memory.watches + memory.queue;
    if (sum != static_cast<std::int64_t>(account->level(Quota::kMemory).now)) {
      findings.push_back(fmt::format("domain {}: its memory is accounted as {}, its parts are {}",
                                     owner.domid, account->level(Quota::kMemory).now, sum));
    }
  }
  for (const auto& [owner, share] : again.shares()) {
    if (!accounts_.contains(owner)) compare(owner, 0, 0);
  }
  return findings;
}

void Accounts::raise(const Account& account, Quota quota, std::uint64_t value) noexcept {
  if (domains_.permanent(account.owner().domid)) return;
  auto& highest = highest_[static_cast<std::size_t>(quota)];
  highest = std::max(highest, value);
}

void Accounts::reset_highest() {
  highest_ = {};
  for (const auto& [owner, account] : accounts_) {
    for (const auto& info : config::quota_infos()) {
      auto& level = account->levels_[static_cast<std::size_t>(info.quota)];
      level.highest = level.now;
      raise(*account, info.quota, level.now);
    }
  }
}

void Accounts::say(Account& account, const std::function<std::string()>& sentence) {
  const std::int64_t now = clock_.monotonic_us();
  if (account.said_us_ && now - *account.said_us_ < kLineUs) return;
  account.said_us_ = now;
  observer_.warn(sentence());
}

// --- pausing ---------------------------------------------------------------------

void Accounts::settle(const std::function<void(DomId domid, bool paused)>& pause) {
  if (touched_.empty()) return;
  std::vector<std::shared_ptr<Account>> touched;
  touched.swap(touched_);
  for (const auto& account : touched) {
    account->touched_ = false;
    const bool rests = account->blocked() != 0;
    // Who was stopped and let go since the last time is told too: its transport gave it up.
    if (rests && account->paused_) continue;
    if (rests) account->count_pause();
    account->paused_ = rests;
    pause(account->owner().domid, rests);
  }
}

void Accounts::advance(std::uint64_t journal_bytes) {
  const std::int64_t now = clock_.monotonic_us();
  std::erase_if(indebted_, [now](const std::shared_ptr<Account>& account) {
    account->refill(now);
    account->reconsider();
    account->indebted_ = account->credits() < Account::kCredits;
    return !account->indebted_;
  });
  share_journal(journal_bytes);
}

std::optional<std::int64_t> Accounts::next_us() const noexcept {
  std::optional<std::int64_t> next;
  for (const auto& account : indebted_) {
    if (account->credits() > 0) continue;
    const std::int64_t due =
        account->credited_us_ + (1 - account->credits()) * Account::kCreditIncomeUs;
    next = std::min(next.value_or(due), due);
  }
  return next;
}

void Accounts::share_journal(std::uint64_t journal_bytes) {
  if (journal_budget_ == 0) return;
  const bool was_short = short_;
  // The daemon's checkpoints give records up from here on (daemon/app/daemon.cc).
  short_ = journal_bytes > journal_budget_ / 4 * 3;
  const bool freed = journal_bytes < journal_bytes_;
  journal_bytes_ = journal_bytes;
  if (short_ == was_short && !(short_ && freed)) return;
  ++round_;
  // Half of what is left is for those that are no guests.
  const std::uint64_t left = journal_budget_ > journal_bytes ? journal_budget_ - journal_bytes : 0;
  share_ = short_ ? left / 2 / std::max<std::size_t>(open_count_, 1) : 0;
  for (const auto& [owner, account] : accounts_) account->reconsider();
}

}  // namespace vxs::daemon
