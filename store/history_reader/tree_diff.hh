// What changed between two commits, as Xenstore sees it: values, permissions, nodes that came and
// went. Buckets, `.meta` files and a leaf's move into a directory do not show.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/permissions.hh"
#include "store/history_reader/tree_view.hh"

namespace vxs::store::reader {

/// One node that differs. A node that was removed and made anew has created and removed both set.
struct NodeChange {
  std::string path;
  bool created = false;
  bool removed = false;
  bool below_removed = false;                       ///< removed because its parent is
  std::optional<std::string> old_value, new_value;  ///< set where the node exists on that side
  std::vector<protocol::PermEntry> old_perms, new_perms;  ///< empty where it does not exist

  [[nodiscard]] bool value_changed() const { return old_value != new_value; }
  [[nodiscard]] bool perms_changed() const { return old_perms != new_perms; }
};

/// Calls `visit` for each difference at and below `path` ("/" for everything, special nodes
/// included) until it returns false. Parents come before children, siblings by name. Costs what
/// differs, not what is there. Errors: kUnreadable; what was visited before is right.
[[nodiscard]] ReadResult<void> diff_trees(const TreeView& from, const TreeView& to,
                                          std::string_view path,
                                          const std::function<bool(const NodeChange&)>& visit);

}  // namespace vxs::store::reader
