// What a guest's requests may make of the tree (conformance G1..G4, G6, E9, E10).
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "protocol/error.hh"
#include "store/change.hh"
#include "store/tree.hh"
#include "transactions/node_usage.hh"
#include "transactions/rights.hh"

namespace vxs::transactions {

/// What a limit is about.
enum class Resource : std::uint8_t { kNodes, kNodeSize, kTransactionNodes, kMemory };

/// The limits of one caller and what counts against them now. Every limit is allowed exactly (G2);
/// 0 is none. For callers that are not limited (G1) there is no Limits at all.
class Limits {
 public:
  virtual ~Limits() = default;
  [[nodiscard]] virtual std::uint64_t nodes() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t node_size() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t transaction_nodes() const noexcept = 0;
  /// Nodes the caller owns in the head.
  [[nodiscard]] virtual std::uint64_t nodes_owned() const noexcept = 0;
  /// May so many bytes more be charged to `owner`, who may be another domain?
  [[nodiscard]] virtual bool has_memory(const Owner& owner, std::uint64_t bytes) const noexcept = 0;
  /// So much was asked for of what binds a single request or transaction.
  virtual void saw(Resource resource, std::uint64_t value) noexcept = 0;
  /// The limit stopped something; `owner` of the memory, else the caller.
  virtual void refused(Resource resource, const Owner& owner) = 0;
};

/// May the changes of one request, evaluated on `tree`, be made? `pending`: what its transaction
/// has changed before, nullptr outside one. Removing and writing less is always allowed (G4).
/// Errors: kNospc for node-size or nodes, kNomem for the memory of an owner (not inside a
/// transaction: it is charged for what it keeps).
[[nodiscard]] std::optional<protocol::Error> refused_by_limits(
    Limits& limits, const Caller& caller, const store::Tree& tree,
    std::span<const store::Change> changes, const NodeUsage* pending);

/// May a whole transaction's changes be made on `head`, which is not the version they were made on
/// first (B13)? O(changes). Errors: kNospc, kNomem as others_refuse().
[[nodiscard]] std::optional<protocol::Error> merge_refused_by_limits(
    Limits& limits, const Caller& caller, store::Tree head, std::span<const store::Change> changes);

/// G6: do others own more by what the transaction made than they have memory for? Inside it nobody
/// asked: the caller is charged for what it keeps, not for what becomes theirs. Errors: kNomem.
[[nodiscard]] std::optional<protocol::Error> others_refuse(Limits& limits, const Caller& caller,
                                                           const NodeUsage& made);

/// B13: would the caller own too many nodes with those the transaction made?
[[nodiscard]] bool too_many_nodes(const Limits& limits, const Caller& caller,
                                  const NodeUsage& made) noexcept;

}  // namespace vxs::transactions
