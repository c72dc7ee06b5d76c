// Who owns how many nodes and how many bytes of them (conformance G3, G6, G10). Counts follow the
// changes, in time proportional to what changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>

#include "protocol/ids.hh"
#include "store/change.hh"
#include "store/tree.hh"

namespace vxs::transactions {

/// The life of a domain that owns a node: the first entry of its permission list.
struct Owner {
  DomId domid = 0;
  Incarnation incarnation = 0;
  friend auto operator<=>(const Owner&, const Owner&) = default;
};
[[nodiscard]] Owner owner_of(const store::PermSet& perms) noexcept;

/// Table G's node-size: 16 + 8 * permissions + value + the children's names with their NULs.
[[nodiscard]] constexpr std::size_t node_size(std::size_t perms, std::size_t value,
                                              std::size_t child_names) noexcept {
  return 16 + 8 * perms + value + child_names;
}
[[nodiscard]] std::size_t node_size(const store::Node& node) noexcept;

/// Turns changes of a tree into differences per owner. The special nodes are nobody's.
class NodeLedger {
 public:
  virtual ~NodeLedger() = default;

  /// Call with the tree as it is just before the change is applied to it. A change that does not
  /// fit counts nothing. O(depth); a removal O(nodes removed).
  void changing(const store::Tree& before, const store::Change& change);
  /// The changes of one request (transactions::evaluate()) on the tree it was evaluated on: the
  /// same as changing() for each, without applying those between.
  void changing_request(const store::Tree& before, std::span<const store::Change> changes);
  /// Counts a whole tree. O(nodes).
  void add_tree(const store::Tree& tree);

 protected:
  /// `owner` now owns so much more or less. `bytes`: node sizes plus path lengths (G6).
  virtual void adjust(const Owner& owner, std::int64_t nodes, std::int64_t bytes) = 0;

 private:
  void made(const store::Change& change);
  void removed(const store::Tree& before, std::string_view path);
};

/// Plain sums.
class NodeUsage final : public NodeLedger {
 public:
  struct Share {
    std::int64_t nodes = 0;
    std::int64_t bytes = 0;
    friend bool operator==(const Share&, const Share&) = default;
  };
  /// Nothing for an owner whose sums are zero.
  [[nodiscard]] const std::map<Owner, Share>& shares() const noexcept { return shares_; }
  [[nodiscard]] Share of(const Owner& owner) const;

 private:
  void adjust(const Owner& owner, std::int64_t nodes, std::int64_t bytes) override;
  std::map<Owner, Share> shares_;
};

}  // namespace vxs::transactions
