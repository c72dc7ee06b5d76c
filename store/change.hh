// What a commit does to the tree, step by step. A Change is mechanical: it holds
// everything (created ancestors, inherited permissions) that the request's
// semantics decided, so that recovery, Git history and replication apply it
// without knowing who may do what.
#pragma once

#include <cstdint>
#include <string_view>

#include "store/perm_set.hh"

namespace vxs::store {

enum class ChangeKind : std::uint8_t {
  kCreate = 1,    ///< a node that was missing: parent exists; value and perms set
  kWrite = 2,     ///< an existing node gets a value
  kRemove = 3,    ///< an existing node goes with its whole subtree
  kSetPerms = 4,  ///< an existing node gets permissions
};

/// One step. The views point into memory of whoever made the change (a request
/// buffer, a branch's arena, a journal record) and live as long as that.
struct Change {
  ChangeKind kind = ChangeKind::kWrite;
  /// kCreate only: an ancestor made on the way (fires no event, B2) rather than
  /// the node the client named.
  bool implicit = false;
  /// Absolute canonical path ("/", "/a/b"), or "@introduceDomain" /
  /// "@releaseDomain" (kSetPerms only).
  std::string_view path;
  std::string_view value;  ///< kCreate, kWrite
  PermRef perms;           ///< kCreate, kSetPerms
};

}  // namespace vxs::store
