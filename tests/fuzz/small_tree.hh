// The tree that the store's fuzz targets start from.
#pragma once

#include <vector>

#include "store/perm_set.hh"
#include "store/tree.hh"
#include "tests/fuzz/check.hh"

namespace vxs::fuzz {

/// "/", "/a", "/a/b", "/c" and the special nodes, with the table and the
/// statistics they need; in the order in which they have to live.
struct SmallTree {
  store::PermTable perms;
  store::TreeStats stats;
  store::PermRef n0 = perms.intern(std::vector<protocol::PermEntry>{{}});
  store::Tree tree{stats, n0, n0, n0};

  SmallTree() {
    for (const char* const path : {"/a", "/a/b", "/c"}) {
      const bool applied = tree.apply({.kind = store::ChangeKind::kCreate,
                                       .implicit = false,
                                       .path = path,
                                       .value = "v",
                                       .perms = n0},
                                      1);
      check(applied, "the small tree can be built");
    }
  }
};

/// What must hold for a tree whatever was done to it.
inline void check_tree(const store::Tree& tree) {
  std::size_t nodes = 0;
  tree.walk([&](std::string_view path, const store::Node& node) {
    ++nodes;
    check(static_cast<bool>(node.perms()), "every node has permissions");
    check(tree.find(path) == &node, "every node is found at its path");
    return true;
  });
  check(nodes == tree.node_count(), "the count of nodes is right");
}

}  // namespace vxs::fuzz
