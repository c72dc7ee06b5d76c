// The log of a connection's open transactions, in its slot of the wire area.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/core/transaction_log.hh"
#include "daemon/wire_area/wire_slot.hh"

namespace vxs::daemon {

/// The slot outlives this object. One thread.
class SlotLog final : public TransactionLog {
 public:
  SlotLog(WireSlot& slot, const transactions::HashKey& key) : slot_(slot), key_(key) {}

  [[nodiscard]] const transactions::HashKey& key() const noexcept override { return key_; }
  /// After one that there is no room for, nothing counts: half a transaction must not go on.
  void add(const transactions::BranchLogEntry& entry) override;
  /// Where what counts begins: the log_begin to publish. `any_open`: the connection has open
  /// transactions.
  [[nodiscard]] std::uint64_t begin(std::uint64_t published_begin, bool any_open) noexcept;

  /// Drops what belongs to transactions that have ended, where that is most of it. REQUIRES: all of
  /// it is published. `table`: of the entries' permissions.
  void compact(store::PermTable& table);

 private:
  WireSlot& slot_;
  transactions::HashKey key_;
  std::string bytes_;
  bool broken_ = false;
  std::uint64_t ended_ = 0;  ///< transactions, since compact() looked last
  std::uint64_t kept_ = 0;   ///< bytes that were left then
};

}  // namespace vxs::daemon
