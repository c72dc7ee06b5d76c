// The state of a daemon that is not asked: where it lies, and a tree to read it into. For `vxs
// export` and `vxs import`.
#pragma once

#include <string>

#include "store/perm_set.hh"
#include "store/tree.hh"
#include "tools/vxs/context.hh"

namespace vxs::tools {

/// A tree with "/" and the special nodes (conformance C7, C8), and what it needs. Stays where it
/// is.
class StateTree {
 public:
  explicit StateTree(DomId control);
  StateTree(const StateTree&) = delete;
  StateTree& operator=(const StateTree&) = delete;

  [[nodiscard]] store::PermTable& perms() noexcept { return perms_; }
  [[nodiscard]] store::Tree& tree() noexcept { return tree_; }

 private:
  store::TreeStats stats_;
  store::PermTable perms_;
  store::Tree tree_;
};

/// Of the running machine, "" if it cannot be read.
[[nodiscard]] std::string running_boot();

}  // namespace vxs::tools
