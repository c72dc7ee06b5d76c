// The Xenstore tree: immutable nodes, shared structurally between versions.
//
// A Tree is a handle on one version. Copying a handle is O(1) and gives a
// snapshot; changing through a handle copies only the nodes that another handle
// can see (depth * log children), and changes in place where nobody else holds
// them. Handles of one Store form a family that shares nodes.
//
// Threads: handles are copied, changed and destroyed by one thread, the owner
// (reference counts are plain integers). Any other thread may read the nodes of
// a handle while the owner keeps that handle alive and unchanged.
//
// No function recurses over the tree's depth.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "protocol/error.hh"
#include "protocol/ids.hh"
#include "store/change.hh"
#include "store/perm_set.hh"

#include <tl/expected.hpp>

namespace vxs::store {

/// What all nodes of a family take. `total_bytes` counts every node alive in any
/// version; a Tree's own reachable bytes are Tree::bytes(). The difference is
/// what snapshots pin.
struct TreeStats {
  std::size_t total_nodes = 0;
  std::size_t total_bytes = 0;
};

/// A node of some version. Read-only; lives as long as a handle that reaches it.
class Node {
 public:
  [[nodiscard]] std::string_view name() const noexcept;   ///< last path component, "" for "/"
  [[nodiscard]] std::string_view value() const noexcept;  ///< any bytes, may be empty
  [[nodiscard]] const PermRef& perms() const noexcept;
  [[nodiscard]] Seq generation()
      const noexcept;  ///< Seq of the last change of value, perms or child set
  [[nodiscard]] std::size_t child_count() const noexcept;
  /// Sum over children of name length + 1: the length of DIRECTORY's answer (B5, G1 node-size).
  [[nodiscard]] std::size_t child_names_bytes() const noexcept;
  [[nodiscard]] const Node* find_child(std::string_view name) const noexcept;
  /// Appends the children's names, each with its NUL, in creation order (B5),
  /// beginning with the name that holds byte `offset` of the whole list (the part of that
  /// name before `offset` is left out, B6) and stopping before a name that would
  /// make the appended bytes exceed `limit`. Returns true if the list's end was
  /// reached. O(log children + appended).
  bool append_child_names(std::string& out, std::size_t offset, std::size_t limit) const;

 private:
  friend class Tree;
  friend class TreeImpl;
  friend class NodeCursor;
  Node() = default;
  ~Node() = default;
};

/// Children of one node in creation order. Invalidated by a change of the tree.
/// for (NodeCursor c(*node); c; c.next()) use(*c);
class NodeCursor {
 public:
  explicit NodeCursor(const Node& parent) noexcept;
  explicit operator bool() const noexcept;
  const Node& operator*() const noexcept;
  const Node* operator->() const noexcept;
  void next() noexcept;

 private:
  // chosen by the implementation; fixed size, no allocation
};

class Tree {
 public:
  /// A tree with "/" alone and the two special nodes, permissions given by the
  /// caller (C7, C8). `stats` and the PermTable behind the refs must outlive it.
  Tree(TreeStats& stats, PermRef root_perms, PermRef introduce_perms, PermRef release_perms);
  Tree(const Tree&) noexcept;  ///< O(1)
  Tree(Tree&&) noexcept;
  Tree& operator=(const Tree&) noexcept;
  Tree& operator=(Tree&&) noexcept;
  ~Tree();

  [[nodiscard]] const Node& root() const noexcept;
  /// The node at an absolute canonical path, or a special node by its "@name";
  /// nullptr if there is none. O(components).
  [[nodiscard]] const Node* find(std::string_view path) const noexcept;

  /// The node at `path`, or the deepest existing ancestor when it is missing
  /// ("/" at worst; for an unknown "@name" also "/", D19).
  struct Lookup {
    const Node* node = nullptr;       ///< the node itself, nullptr if missing
    const Node* ancestor = nullptr;   ///< deepest existing node on the path (== node if it exists)
    std::size_t ancestor_length = 0;  ///< length of the ancestor's path within `path`
  };
  [[nodiscard]] Lookup lookup(std::string_view path) const noexcept;

  /// Applies one change with generation `seq` (to the node, and to the parent
  /// where its child set changes). Returns false, changing nothing, if the change does not fit the
  /// tree (a damaged record): kCreate of what exists or without a parent, the others of what is
  /// missing, kRemove of "/", a kCreate or kRemove of a special node. Strong guarantee for
  /// std::bad_alloc.
  [[nodiscard]] bool apply(const Change& change, Seq seq);
  /// As apply(), for bulk loading (checkpoints): sets `generation` of the new
  /// node only and leaves its parent's generation alone. Parents come before children, siblings in
  /// creation order.
  [[nodiscard]] bool load(std::string_view path, std::string_view value, PermRef perms,
                          Seq generation);

  [[nodiscard]] std::size_t node_count() const noexcept;  ///< without special nodes; O(1)
  [[nodiscard]] std::size_t bytes()
      const noexcept;  ///< bytes of the nodes reachable from here; O(1)

  /// True if both handles hold the very same version (pointer comparison).
  [[nodiscard]] bool same_version(const Tree& other) const noexcept;

  /// Pre-order walk, children in creation order, special nodes not included; iterative. `path` is
  /// the node's absolute path. Stops when the visitor returns false. May run on a reader thread.
  void walk(const std::function<bool(std::string_view path, const Node& node)>& visit) const;
  /// The same for the subtree at `path` ("" prefix rules as for find).
  void walk_from(std::string_view path,
                 const std::function<bool(std::string_view path, const Node& node)>& visit) const;

  /// Order-independent digest over paths, values, perms and generations plus each directory's child
  /// order, for tests and recovery checks. O(nodes).
  [[nodiscard]] std::uint64_t state_hash() const;

 private:
  // chosen by the implementation
};

}  // namespace vxs::store
