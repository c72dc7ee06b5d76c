// Where a connection's transactions are written down so that they outlive the process (design §6).
#pragma once

#include "transactions/answer_hash.hh"
#include "transactions/branch_log.hh"

namespace vxs::daemon {

/// Owned by the transport. One thread.
class TransactionLog {
 public:
  virtual ~TransactionLog() = default;
  /// Of the answers' hashes; the same for all processes that read the log.
  [[nodiscard]] virtual const transactions::HashKey& key() const noexcept = 0;
  /// Adds an entry, which counts from the moment at which its request is answered. After
  /// one that there is no room for, the open transactions go on, but not over a restart.
  virtual void add(const transactions::BranchLogEntry& entry) = 0;
};

}  // namespace vxs::daemon
