// The children of one node. Up to kSmallMost of them are one block: an array of name hashes and
// one of pointers, in creation order. More are two persistent trees: an index by name hash
// (child_index.hh) and the order of creation (child_order.hh).
// Internal to store/tree*.cc and store/child_*.cc.
//
// A set is shared between versions by a reference count, and so is every block inside. "Own" means:
// make the way to something this version's alone, by copying what is shared; that changes no
// content. The functions that change a set REQUIRE that the node whose `link` it is has been owned.
#pragma once

#include <cstdint>
#include <string>

#include "store/child_index.hh"
#include "store/child_name.hh"
#include "store/tree_block.hh"
#include "store/tree_impl.hh"

namespace vxs::store {

struct OrderBlock;

/// A set becomes large when it grows beyond kSmallMost, and small again at kLargeLeast.
inline constexpr std::size_t kSmallMost = 30;
inline constexpr std::size_t kLargeLeast = 16;

enum class ChildForm : std::uint8_t { kSmall, kLarge };

struct ChildSet {
  std::uint32_t references = 1;
  ChildForm form = ChildForm::kSmall;
  std::uint8_t capacity = 0;  ///< kSmall
  std::uint16_t count = 0;    ///< kSmall
  std::uint64_t names_bytes = 0;
};

/// hashes[capacity], then children[capacity] follow.
struct SmallSet : ChildSet {
  [[nodiscard]] std::uint32_t* hashes() noexcept {
    return reinterpret_cast<std::uint32_t*>(this + 1);
  }
  [[nodiscard]] Node** children() noexcept { return reinterpret_cast<Node**>(hashes() + capacity); }
};

struct LargeSet : ChildSet {
  std::uint64_t large_count = 0;
  std::uint64_t next_number = 0;      ///< the creation number of the next child
  std::uint64_t structure_bytes = 0;  ///< of all blocks of the two trees
  IndexBlock* index = nullptr;
  OrderBlock* order = nullptr;
};

[[nodiscard]] inline std::size_t child_set_count(const ChildSet* set) noexcept {
  if (set == nullptr) return 0;
  return set->form == ChildForm::kSmall ? set->count
                                        : static_cast<const LargeSet*>(set)->large_count;
}

/// Where the child called `name` is in a small set, its count if there is none.
[[nodiscard]] inline std::size_t small_place(SmallSet& set, const ChildName& name) noexcept {
  const std::uint32_t* hashes = set.hashes();
  const std::size_t count = set.count;
  for (std::size_t i = 0; i < count; ++i) {
    if (hashes[i] == name.hash && TreeImpl::is(*set.children()[i], name)) return i;
  }
  return count;
}
[[nodiscard]] Node* large_find(const LargeSet& set, const ChildName& name) noexcept;

/// The child called `name`, nullptr if there is none (or no set). Inline: every step of every
/// look-up.
[[nodiscard, gnu::always_inline]] inline Node* child_find(const ChildSet* set,
                                                          const ChildName& name) noexcept {
  if (set == nullptr) return nullptr;
  if (set->form == ChildForm::kLarge) {
    return large_find(*static_cast<const LargeSet*>(set), name);
  }
  SmallSet& found_in = static_cast<SmallSet&>(const_cast<ChildSet&>(*set));  // read, not changed
  const std::size_t at = small_place(found_in, name);
  return at == set->count ? nullptr : found_in.children()[at];
}

/// Where the pointer to the child called `name` is, owned; nullptr if there is no such child (or no
/// set).
[[nodiscard]] Node** child_own(ChildSet*& link, const ChildName& name, Account& account);

/// Adds `child` (its only reference) as the newest. REQUIRES: no child has its name. If this throws
/// std::bad_alloc, nothing has changed and `child` is still the caller's.
void child_insert(ChildSet*& link, Node* child, Account& account);

/// Takes the child called `name` out and returns it with its reference. REQUIRES: it exists. If
/// this throws std::bad_alloc, no content has changed.
[[nodiscard]] Node* child_remove(ChildSet*& link, const ChildName& name, Account& account);

/// See Node::append_child_names.
bool child_names(const ChildSet* set, std::string& out, std::size_t offset, std::size_t limit);

/// Bytes of the set's own blocks (the children's not included).
[[nodiscard]] std::size_t child_set_bytes(const ChildSet& set) noexcept;

/// Calls visit(Node&) for each child, in any order.
template <typename Visit>
void child_for_each(ChildSet* set, const Visit& visit) {
  if (set == nullptr) return;
  if (set->form == ChildForm::kLarge) {
    index_for_each(static_cast<LargeSet*>(set)->index, visit);
    return;
  }
  Node** children = static_cast<SmallSet*>(set)->children();
  for (std::size_t i = 0; i < set->count; ++i) visit(*children[i]);
}

inline void child_set_reference(ChildSet* set) noexcept {
  if (set != nullptr) ++set->references;
}
/// One reference to the set (may be nullptr) goes.
void child_set_drop(ChildSet* set, Reaper& reaper) noexcept;

}  // namespace vxs::store
