// The index of a large child set: a hash array mapped trie (Bagwell; Steindorfer's CHAMP layout)
// from names to children, five bits of the name's hash per level. Names whose whole hashes are
// equal share a block sorted by name, so that names chosen to collide cost a binary search.
//
// Blocks are shared by reference counts and copied when a shared one must change. Its depth is
// bounded by the hash's length (kIndexLevels + 1).
#pragma once

#include <bit>
#include <cstdint>

#include "store/child_name.hh"
#include "store/tree_impl.hh"

namespace vxs::store {

struct IndexEntry {
  Node* node = nullptr;
  std::uint64_t number = 0;  ///< place in the creation order
};

inline constexpr unsigned kIndexBits = 4;
inline constexpr unsigned kIndexLevels = (32 + kIndexBits - 1) / kIndexBits;

/// Entries grow from the front of the block, pointers to deeper blocks from its end. At level
/// kIndexLevels `entries` is the number of entries, not a map.
struct IndexBlock {
  std::uint32_t references = 1;
  std::uint32_t entries = 0;  ///< map of the digits with an entry
  std::uint32_t deeper = 0;   ///< map of the digits with a deeper block
  std::uint32_t units = 0;

  [[nodiscard]] IndexEntry* entry(std::size_t i) noexcept {
    return reinterpret_cast<IndexEntry*>(this + 1) + i;
  }
  [[nodiscard]] IndexBlock** link(std::size_t i) noexcept {
    char* end = reinterpret_cast<char*>(this) + usable_size(units * kUnit);
    return reinterpret_cast<IndexBlock**>(end) - 1 - i;
  }
};

/// std::popcount without the instruction is a call; most distributions build without it.
[[nodiscard]] constexpr unsigned count_bits(std::uint32_t map) noexcept {
#ifdef __POPCNT__
  return static_cast<unsigned>(std::popcount(map));
#else
  map = map - ((map >> 1) & 0x55555555U);
  map = (map & 0x33333333U) + ((map >> 2) & 0x33333333U);
  return (((map + (map >> 4)) & 0x0F0F0F0FU) * 0x01010101U) >> 24;
#endif
}

/// The entry for `name`, nullptr if there is none. Any thread may call it: it reads no reference
/// count.
[[nodiscard]] IndexEntry* index_find(IndexBlock* root, const ChildName& name) noexcept;
/// The same for the owner thread; clears `unique` if a block on the way is shared.
[[nodiscard]] IndexEntry* index_find_unique(IndexBlock* root, const ChildName& name,
                                            bool& unique) noexcept;
/// The same, with the way to it owned. REQUIRES: it exists, and `root`'s place is owned.
[[nodiscard]] IndexEntry* index_own(IndexBlock*& root, const ChildName& name, Account& account);
/// Adds an entry. REQUIRES: none has its name. Nothing changes if it throws std::bad_alloc.
void index_insert(IndexBlock*& root, IndexEntry entry, Account& account);
/// Takes the entry for `name` out; its node's reference becomes the caller's. REQUIRES:
/// index_own() for it has been called since the last change.
void index_remove(IndexBlock*& root, const ChildName& name, Account& account) noexcept;
/// One reference to the block (may be nullptr) goes.
void index_drop(IndexBlock* root, Reaper& reaper, unsigned level = 0) noexcept;

template <typename Visit>
void index_for_each(IndexBlock* block, const Visit& visit, unsigned level = 0) {
  if (block == nullptr) return;
  const std::size_t entries = level == kIndexLevels ? block->entries : count_bits(block->entries);
  for (std::size_t i = 0; i < entries; ++i) visit(*block->entry(i)->node);
  const std::size_t deeper = count_bits(block->deeper);
  for (std::size_t i = 0; i < deeper; ++i) index_for_each(*block->link(i), visit, level + 1);
}

}  // namespace vxs::store
