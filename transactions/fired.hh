// Which paths a commit reports to watches, in which order (conformance D4..D13).
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "store/change.hh"
#include "store/perm_set.hh"
#include "store/record.hh"
#include "store/tree.hh"
#include "transactions/branch.hh"

namespace vxs::transactions {

/// One reported path. Views point into the changes.
struct Fired {
  std::string_view path;
  /// The node (and its subtree) was there before and is removed: watches exactly on nodes below
  /// hear of theirs too (D5, D6).
  bool removed = false;
  /// Removals: subtree before root, as outside a transaction (D5), or root first (D11).
  bool children_first = false;
  /// The list the node had before, for D7 and D8; empty if it did not exist.
  store::PermRef old_perms;
};

/// For a request outside a transaction, on the tree *before* its changes: the explicitly named
/// path, once.
void fired_by_request(const store::Tree& before, std::span<const store::Change> changes,
                      std::vector<Fired>& out);

/// For a transaction, on the head *before* its changes: every explicitly named path once, in the
/// order in which the transaction first touched them (D11); nothing for what it made and removed
/// again (D13).
void fired_by_transaction(const store::Tree& before, std::span<const store::Change> changes,
                          std::span<const LoggedOperation> log, std::vector<Fired>& out);

/// For a record that is replayed, on the tree *before* it: what its commit reported. Only the
/// order of a transaction's paths may differ: what it read before is not in the record, so they
/// come as they were first changed.
void fired_by_record(const store::Tree& before, const store::CommitRecord& record,
                     std::vector<Fired>& out);

}  // namespace vxs::transactions
