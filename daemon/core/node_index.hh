// Which nodes belong to a guest or name one in their permissions: what is to be cleaned up when it
// dies, without a walk over the whole tree (conformance F9, C16). Nodes that name no guest cost
// nothing here.
//
// After a restart it is built a little at a time, so that nobody waits for it: a walk over what the
// tree was when it began, which takes every path as the head has it now. Whatever is changed
// meanwhile is in the index at once, and the walk finds it there.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "daemon/core/domains.hh"
#include "protocol/ids.hh"
#include "store/change.hh"
#include "store/perm_set.hh"
#include "store/tree.hh"

namespace vxs::daemon {

/// Follows the head's commits. Keeps a path and a reference to a permission list per node that
/// names a guest. One thread.
class NodeIndex {
 public:
  /// `domains` says who is permanent; it outlives the index.
  explicit NodeIndex(const Domains& domains) : domains_(domains) {}

  /// Begins anew from a tree. O(nodes).
  void rebuild(const store::Tree& tree);
  /// The same a little at a time: build() it. O(1).
  void begin(const store::Tree& tree);
  /// Looks at up to `count` nodes more; true when complete. `head`: as of the last apply().
  bool build(const store::Tree& head, std::size_t count);
  /// The rest of it at once.
  void finish(const store::Tree& head);
  [[nodiscard]] bool complete() const noexcept { return !walk_; }
  /// A commit. O(log nodes) per change, and for a removal what it takes out of the index.
  void apply(std::span<const store::Change> changes);

  /// A node that names a domain; special nodes are among them.
  struct Named {
    std::string_view path;
    store::PermRef perms;
  };
  /// All nodes that name `domid`, as owner or otherwise, in no order. Views are valid until the
  /// next apply(). REQUIRES complete(), as what follows.
  [[nodiscard]] std::vector<Named> named(DomId domid) const;
  /// Nodes kept here.
  [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
  friend bool operator==(const NodeIndex& a, const NodeIndex& b) { return a.nodes_ == b.nodes_; }

 private:
  using Nodes = std::map<std::string, store::PermRef, std::less<>>;
  using Node = Nodes::value_type;
  /// Where a walk over a snapshot is.
  struct Walk {
    struct Level {
      store::NodeCursor child;
      std::size_t prefix;  ///< of path: the parent's, with its slash
    };
    store::Tree tree;
    std::vector<Level> levels{};
    std::string path{};
  };

  /// A guest, whose death is to be cleaned up after.
  [[nodiscard]] bool mortal(DomId domid) const noexcept {
    return domid < kDomIdFirstReserved && !domains_.permanent(domid);
  }
  void put_current(const store::Tree& head, std::string_view path);
  /// Where the next path in order would be; quick if the path goes to `hint`.
  Nodes::iterator put(std::string_view path, const store::PermRef& perms, Nodes::iterator hint);
  void take(std::string_view path);
  void take_tree(std::string_view path);
  void unlink(const Node& node);

  const Domains& domains_;
  Nodes nodes_;
  std::unordered_map<DomId, std::unordered_set<const Node*>> by_domain_;
  std::string scratch_;
  std::optional<Walk> walk_;
};

}  // namespace vxs::daemon
