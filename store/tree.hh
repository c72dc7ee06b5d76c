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
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "protocol/ids.hh"
#include "store/block_pool.hh"
#include "store/change.hh"
#include "store/perm_set.hh"

namespace vxs::store {

struct ChildSet;
struct LoadCursor;

/// What a node can hold. Far above what a request can carry; a change beyond it does not fit the
/// tree (apply() and load() return false).
inline constexpr std::size_t kMaxNameBytes = 65535;
inline constexpr std::size_t kMaxValueBytes = std::size_t{512} << 10;

/// What all nodes of a family take. `total_bytes` counts every node alive in any
/// version; a Tree's own reachable bytes are Tree::bytes(). The difference is
/// what snapshots pin.
struct TreeStats {
  std::size_t total_nodes = 0;
  std::size_t total_bytes = 0;
  /// Freed blocks kept for the next change, not part of total_bytes.
  BlockPool pool = {};
};

/// A node of some version. Read-only; lives as long as a handle that reaches it.
class Node {
 public:
  /// Last path component, "" for "/", "@introduceDomain" and so on for the special nodes.
  [[nodiscard]] std::string_view name() const noexcept { return {text(), name_size_}; }
  /// Any bytes, may be empty.
  [[nodiscard]] std::string_view value() const noexcept {
    return {text() + name_size_, value_size_};
  }
  [[nodiscard]] const PermRef& perms() const noexcept { return perms_; }
  /// Seq of the last change of value, perms or child set.
  [[nodiscard]] Seq generation() const noexcept { return generation_; }
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
  friend class Reaper;
  friend class NodeCursor;
  Node() = default;
  ~Node() = default;
  // The name's bytes follow the node in its block, then the value's.
  [[nodiscard]] const char* text() const noexcept {
    return reinterpret_cast<const char*>(this) + sizeof(Node);
  }

  std::uint32_t references_ = 1;
  std::uint32_t name_hash_ = 0;
  std::uint32_t value_size_ = 0;
  std::uint16_t name_size_ = 0;
  std::uint16_t units_ = 0;  ///< what the block takes of the heap, in 16 bytes
  Seq generation_ = 0;
  PermRef perms_;
  ChildSet* children_ = nullptr;  ///< nullptr: none
};

/// Children of one node in creation order. Invalidated by a change of the tree.
/// for (NodeCursor c(*node); c; c.next()) use(*c);
class NodeCursor {
 public:
  explicit NodeCursor(const Node& parent) noexcept;
  explicit operator bool() const noexcept { return node_ != nullptr; }
  const Node& operator*() const noexcept { return *node_; }
  const Node* operator->() const noexcept { return node_; }
  void next() noexcept;

 private:
  void settle() noexcept;
  const Node* node_ = nullptr;
  const ChildSet* set_ = nullptr;
  const void* leaf_ = nullptr;  ///< large sets: the leaf of the creation order `index_` points into
  std::uint32_t index_ = 0;
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

  [[nodiscard]] const Node& root() const noexcept { return *root_; }
  /// The node at an absolute canonical path, or a special node by its "@name";
  /// nullptr if there is none. O(components).
  [[nodiscard]] const Node* find(std::string_view path) const noexcept;

  /// The node at `path`, or the deepest existing ancestor when it is missing
  /// ("/" at worst; for an unknown "@name" also "/", D19).
  struct Lookup {
    const Node* node = nullptr;      ///< the node itself, nullptr if missing
    const Node* ancestor = nullptr;  ///< deepest existing node on the path (== node if it exists)
    /// Length of the ancestor's path within `path`: 1 for "/", 0 for "/" as an unknown "@name"'s.
    std::size_t ancestor_length = 0;
  };
  [[nodiscard]] Lookup lookup(std::string_view path) const noexcept;

  /// Applies one change with generation `seq` (to the node, and to the parent
  /// where its child set changes). Returns false, changing nothing, if the change does not fit the
  /// tree (a damaged record): kCreate of what exists or without a parent, the others of what is
  /// missing, kRemove of "/", anything but kSetPerms of a special node, a kCreate or kSetPerms
  /// without permissions. Strong guarantee for std::bad_alloc.
  [[nodiscard]] bool apply(const Change& change, Seq seq);
  /// Applies a run (run_length()) as one change after the other would, the first with generation
  /// `seq`, each next with `step` more; as apply() in all else, but O(depth + changes): a path of
  /// 1,000 new components is one walk. REQUIRES: run_length(run) == run.size() >= 1.
  [[nodiscard]] bool apply_run(std::span<const Change> run, Seq seq, Seq step = 0);
  /// As apply(), for bulk loading (checkpoints): sets `generation` of the new
  /// node only and leaves its parent's generation alone. Parents come before children, siblings in
  /// creation order; a pre-order walk's order is the fast one (O(1) amortised per node, however
  /// deep). "/" and the special nodes exist already: loading them sets what they hold.
  [[nodiscard]] bool load(std::string_view path, std::string_view value, PermRef perms,
                          Seq generation);

  /// Without the special nodes; O(1).
  [[nodiscard]] std::size_t node_count() const noexcept { return node_count_; }
  /// Heap bytes of everything reachable from here, special nodes included; O(1).
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

  /// True if both handles hold the very same version (pointer comparison).
  [[nodiscard]] bool same_version(const Tree& other) const noexcept;

  /// Pre-order walk, children in creation order, special nodes not included; iterative. `path` is
  /// the node's absolute path. Stops when the visitor returns false. May run on a reader thread.
  void walk(const std::function<bool(std::string_view path, const Node& node)>& visit) const;
  /// The same for the subtree at `path` (as for find(); nothing is visited if it is missing).
  void walk_from(std::string_view path,
                 const std::function<bool(std::string_view path, const Node& node)>& visit) const;

  /// Order-independent digest over paths, values, perms and generations plus each directory's child
  /// order (special nodes included), for tests and recovery checks. O(nodes).
  [[nodiscard]] std::uint64_t state_hash() const;

 private:
  friend class TreeImpl;
  void forget_load_cursor() const noexcept;

  TreeStats* stats_ = nullptr;
  Node* root_ = nullptr;  ///< nullptr in a handle that was moved from
  Node* introduce_ = nullptr;
  Node* release_ = nullptr;
  std::size_t node_count_ = 0;
  std::size_t bytes_ = 0;
  /// Where the last load() was. Only the owner thread's load(), changes and copies touch it.
  mutable std::unique_ptr<LoadCursor> load_cursor_;
};

}  // namespace vxs::store
