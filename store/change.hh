// What a commit does to the tree, step by step. A Change is mechanical: it holds
// everything (created ancestors, inherited permissions) that the request's
// semantics decided, so that recovery, Git history and replication apply it
// without knowing who may do what.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
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

/// How many changes at the front are a chain of new nodes, each the parent of the next, as one
/// request makes them (B2): what Tree::apply_run() takes at once. 1 for any other change; 0 for
/// none.
[[nodiscard]] inline std::size_t run_length(std::span<const Change> changes) noexcept {
  if (changes.empty()) return 0;
  std::size_t length = 1;
  for (; length < changes.size(); ++length) {
    const std::string_view parent = changes[length - 1].path;
    const std::string_view child = changes[length].path;
    const bool extends = changes[length - 1].kind == ChangeKind::kCreate &&
                         changes[length].kind == ChangeKind::kCreate &&
                         child.size() > parent.size() + 1 && child[parent.size()] == '/' &&
                         child.find('/', parent.size() + 1) == std::string_view::npos &&
                         (child.data() == parent.data() || child.starts_with(parent));
    if (!extends) break;
  }
  return length;
}

/// Takes the run at the front of `rest` off it. REQUIRES: !rest.empty().
[[nodiscard]] inline std::span<const Change> take_run(std::span<const Change>& rest) noexcept {
  const auto run = rest.first(run_length(rest));
  rest = rest.subspan(run.size());
  return run;
}

}  // namespace vxs::store
