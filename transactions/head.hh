// The live tree: the newest version, who changed it last, and what its
// snapshots pin. The deterministic core's state besides branches.
#pragma once

#include <cstdint>

#include "protocol/ids.hh"
#include "store/tree.hh"
#include "transactions/node_usage.hh"
#include "transactions/recent_changes.hh"

namespace vxs::transactions {

/// Owner of the head version. One thread.
class Head {
 public:
  /// `stats` and `table` must outlive the Head; `tree` is its first version, of commit `seq` (0:
  /// none yet).
  Head(store::TreeStats& stats, store::PermTable& table, store::Tree tree, Seq seq);

  [[nodiscard]] const store::Tree& tree() const noexcept { return tree_; }
  [[nodiscard]] store::PermTable& perm_table() const noexcept { return table_; }
  /// Seq of the newest *commit* record: it names this version of the tree.
  [[nodiscard]] Seq seq() const noexcept { return seq_; }

  /// Applies a commit's changes as version `seq`. The changes were evaluated on this very version,
  /// so they fit; false means that they did not (a bug in the caller): the tree then holds the
  /// runs before the misfit (store::run_length()).
  [[nodiscard]] bool commit(std::span<const store::Change> changes, Seq seq, DomId author);

  /// Goes back to an earlier version, after the journal lost what came since (design §5).
  void reset(store::Tree tree, Seq seq);

  /// From now on `ledger` hears of every change of this head; what is there already it counts for
  /// itself (NodeLedger::add_tree). It must outlive the Head; nullptr: nobody. reset() is not told.
  void set_ledger(NodeLedger* ledger) noexcept { ledger_ = ledger; }

  /// An earlier version as a Head of its own, without recent changes: for moving bases to it.
  [[nodiscard]] Head at(store::Tree tree, Seq seq) const {
    return {stats_, table_, std::move(tree), seq};
  }

  /// Who changed what lately, to name the culprit of a conflict.
  [[nodiscard]] const RecentChanges& recent_changes() const noexcept { return recent_; }

  /// Bytes of nodes that only snapshots keep alive (bases and overlays of branches, a checkpoint in
  /// progress).
  [[nodiscard]] std::size_t pinned_bytes() const noexcept;

 private:
  store::TreeStats& stats_;
  store::PermTable& table_;
  store::Tree tree_;
  Seq seq_;
  RecentChanges recent_;
  NodeLedger* ledger_ = nullptr;
};

}  // namespace vxs::transactions
