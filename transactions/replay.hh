// Does a request's answer still hold on another version of the tree?
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "store/tree.hh"
#include "transactions/branch.hh"
#include "transactions/head.hh"
#include "transactions/operation.hh"

namespace vxs::transactions {

/// True if everything that can decide `operation`'s answer is equal in both versions: the quick way
/// to know, O(components). False says nothing: a replay decides. `base` and `head` are of one
/// family.
[[nodiscard]] bool facts_equal(const store::Tree& base, const store::Tree& head,
                               const Operation& operation);

/// Which commit since `base` made `operation`'s answer another one on the head.
[[nodiscard]] Conflict blame(const store::Tree& base, Seq base_seq, const Head& head,
                             const Operation& operation);

/// The outcome of replaying a log on another version.
struct Replay {
  store::Tree work;                       ///< the other version with the log's changes
  std::vector<store::Change> changes;     ///< what the log changes there
  std::optional<std::size_t> difference;  ///< index of the first operation with another answer;
                                          ///< then the rest is incomplete
  Seq generation_steps = 0;
};

/// Replays `log` for `caller` on both versions side by side and compares the answers: whole
/// replies, DIRECTORY_PART without its generation.
[[nodiscard]] Replay replay(const store::Tree& base, Seq base_seq, const store::Tree& head,
                            Seq head_seq, store::PermTable& table, const Caller& caller,
                            std::span<const LoggedOperation> log);

/// Applies `log` to a copy of `head` whatever it answers: the view of a doomed branch.
[[nodiscard]] Replay overlay(const store::Tree& head, Seq head_seq, store::PermTable& table,
                             const Caller& caller, std::span<const LoggedOperation> log);

}  // namespace vxs::transactions
