// What the tree's own files may do with nodes. Internal to store/tree*.cc and store/child_*.cc.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "store/child_name.hh"
#include "store/tree.hh"
#include "store/tree_block.hh"

namespace vxs::store {

/// Frees what nobody references any more, however deep, without memory of its own: dead nodes are
/// chained through a field they no longer need.
class Reaper {
 public:
  explicit Reaper(TreeStats& stats) noexcept : stats_(stats) {}
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;
  ~Reaper() { run(); }

  /// One reference to `node` (may be nullptr) goes.
  void drop(Node* node) noexcept;
  void free(void* block, std::size_t chunk) noexcept { free_block(stats_, block, chunk); }

 private:
  void run() noexcept;
  TreeStats& stats_;
  Node* dead_ = nullptr;
};

/// The door to Node's and Tree's private parts.
class TreeImpl {
 public:
  struct NodeContent {
    std::string_view name;
    std::uint32_t name_hash = 0;
    std::string_view value;
    PermRef perms;
    Seq generation = 0;
  };
  /// A node with one reference and no children. REQUIRES: name and value within the limits.
  [[nodiscard]] static Node* make(NodeContent content, Account& account);
  /// A node equal to `node` but for its value, generation and reference count (1); it takes part
  /// in the ownership of the children.
  [[nodiscard]] static Node* remake(const Node& node, std::string_view value, Seq generation,
                                    Account& account);
  /// Makes `link` point to a node of this version alone. REQUIRES: `link` lies in such a node.
  static void own(Node*& link, Account& account);

  static void destroy(Node& node) noexcept { node.~Node(); }
  static void reference(Node* node) noexcept { ++node->references_; }
  [[nodiscard]] static std::size_t chunk(const Node& node) noexcept { return node.units_ * kUnit; }
  [[nodiscard]] static std::uint32_t hash(const Node& node) noexcept { return node.name_hash_; }
  [[nodiscard]] static ChildSet* children(const Node& node) noexcept { return node.children_; }

  /// True if the node's name is `name`. The block is long enough to read whole words of it.
  [[nodiscard]] static bool is(const Node& node, const ChildName& name) noexcept {
    if (node.name_size_ != name.size) return false;
    const std::uint64_t word = detail::load_word(node.text());
    if (name.size >= 8) {
      return word == name.first_word &&
             std::memcmp(node.text() + 8, name.data + 8, name.size - 8) == 0;
    }
    return (word & ((std::uint64_t{1} << (8 * name.size)) - 1)) == name.first_word;
  }

  // The steps of Tree::apply() and load().

  /// Where the pointer to the node at `path` is, the way to it owned; nullptr if there is no such
  /// node. The node itself may be shared.
  [[nodiscard]] static Node** own_slot(Tree& tree, std::string_view path, Account& account);
  /// The node at `path`, owned; nullptr if there is none.
  [[nodiscard]] static Node* own_node(Tree& tree, std::string_view path, Account& account);
  /// The nodes of a run, the deepest made first: its top, with one reference. Strong.
  [[nodiscard]] static Node* make_run(std::span<const Change> run, Seq seq, Seq step,
                                      Account& account);
  /// A run of creations: the tree sees all of them or none.
  [[nodiscard]] static bool create(Tree& tree, std::span<const Change> run, Seq seq, Seq step);
  [[nodiscard]] static bool write(Tree& tree, const Change& change, Seq seq);
  [[nodiscard]] static bool remove(Tree& tree, const Change& change, Seq seq);
  [[nodiscard]] static bool set_perms(Tree& tree, const Change& change, Seq seq);
  [[nodiscard]] static bool set_special(Tree& tree, std::string_view path, PermRef perms, Seq seq);
  static void set_value(Node*& link, std::string_view value, Seq generation, Account& account);
  [[nodiscard]] static bool load(Tree& tree, std::string_view path, std::string_view value,
                                 PermRef perms, Seq generation);
  class Attempt;
  [[nodiscard]] static Node* load_parent(Tree& tree, std::string_view path, Account& account);

 private:
  [[nodiscard]] static Node* construct(const NodeContent& content, Account& account);
};

}  // namespace vxs::store
