#include "store/child_index.hh"

#include <algorithm>
#include <array>
#include <cstring>

namespace vxs::store {
namespace {

constexpr std::uint32_t digit_bit(std::uint32_t hash, unsigned level) noexcept {
  return 1U << ((hash >> (level * kIndexBits)) & ((1U << kIndexBits) - 1));
}
constexpr std::size_t place(std::uint32_t map, std::uint32_t bit) noexcept {
  return count_bits(map & (bit - 1));
}
std::size_t entry_count(const IndexBlock& block, unsigned level) noexcept {
  return level == kIndexLevels ? block.entries : count_bits(block.entries);
}
std::size_t chunk_of(const IndexBlock& block) noexcept { return block.units * kUnit; }

constexpr std::size_t need(std::size_t entries, std::size_t deeper) noexcept {
  return sizeof(IndexBlock) + entries * sizeof(IndexEntry) + deeper * sizeof(IndexBlock*);
}
bool fits(const IndexBlock& block, std::size_t entries, std::size_t deeper) noexcept {
  return need(entries, deeper) <= usable_size(chunk_of(block));
}

IndexBlock* construct(void* memory, std::size_t chunk) noexcept {
  auto* block = new (memory) IndexBlock;
  block->units = static_cast<std::uint32_t>(chunk / kUnit);
  return block;
}

/// Copies maps, entries and links of `from` into the empty `to`, which has room for them.
void copy_content(IndexBlock& from, IndexBlock& to, unsigned level) noexcept {
  to.entries = from.entries;
  to.deeper = from.deeper;
  const std::size_t entries = entry_count(from, level);
  const std::size_t deeper = count_bits(from.deeper);
  std::memcpy(static_cast<void*>(to.entry(0)), from.entry(0), entries * sizeof(IndexEntry));
  if (deeper != 0) {
    std::memcpy(to.link(deeper - 1), from.link(deeper - 1), deeper * sizeof(IndexBlock*));
  }
}

/// Makes the block at `link` this version's alone.
void own(IndexBlock*& link, unsigned level, Account& account) {
  IndexBlock& shared = *link;
  if (shared.references == 1) return;
  const std::size_t chunk = chunk_of(shared);
  IndexBlock* block = construct(account.allocate(chunk), chunk);
  copy_content(shared, *block, level);
  const std::size_t entries = entry_count(*block, level);
  for (std::size_t i = 0; i < entries; ++i) TreeImpl::reference(block->entry(i)->node);
  const std::size_t deeper = count_bits(block->deeper);
  for (std::size_t i = 0; i < deeper; ++i) ++(*block->link(i))->references;
  --shared.references;
  account.leave(chunk);
  link = block;
}

/// Replaces the owned block at `link` by one with other room, taken from `memory`.
void move_content(IndexBlock*& link, void* memory, std::size_t chunk, unsigned level,
                  Account& account) noexcept {
  IndexBlock* block = construct(memory, chunk);
  copy_content(*link, *block, level);
  account.free(link, chunk_of(*link));
  link = block;
}

std::size_t roomy_chunk(std::size_t entries, std::size_t deeper) noexcept {
  return chunk_size(need(entries + entries / 8, deeper));
}

/// Makes room in an owned block; it may move.
void make_room(IndexBlock*& link, std::size_t entries, std::size_t deeper, unsigned level,
               Account& account) {
  if (fits(*link, entries, deeper)) return;
  const std::size_t chunk = roomy_chunk(entries, deeper);
  move_content(link, account.allocate(chunk), chunk, level, account);
}
bool try_make_room(IndexBlock*& link, std::size_t entries, std::size_t deeper, unsigned level,
                   Account& account) noexcept {
  if (fits(*link, entries, deeper)) return true;
  const std::size_t chunk = roomy_chunk(entries, deeper);
  void* memory = account.try_allocate(chunk);
  if (memory == nullptr) return false;
  move_content(link, memory, chunk, level, account);
  return true;
}

/// Gives memory back once less than half of a bigger block is in use; not worth failing for.
void shrink(IndexBlock*& link, unsigned level, Account& account) noexcept {
  const std::size_t least = chunk_size(need(entry_count(*link, level), count_bits(link->deeper)));
  if (chunk_of(*link) < 128 || least * 2 > chunk_of(*link)) return;
  void* memory = account.try_allocate(least);
  if (memory != nullptr) move_content(link, memory, least, level, account);
}

// The following change owned blocks that have the room.

void insert_entry(IndexBlock& block, std::size_t at, std::size_t entries,
                  const IndexEntry& entry) noexcept {
  std::memmove(static_cast<void*>(block.entry(at + 1)), block.entry(at),
               (entries - at) * sizeof(IndexEntry));
  *block.entry(at) = entry;
}
void erase_entry(IndexBlock& block, std::size_t at, std::size_t entries) noexcept {
  std::memmove(static_cast<void*>(block.entry(at)), block.entry(at + 1),
               (entries - at - 1) * sizeof(IndexEntry));
}
void insert_link(IndexBlock& block, std::uint32_t bit, IndexBlock* deeper) noexcept {
  const std::size_t count = count_bits(block.deeper);
  const std::size_t at = place(block.deeper, bit);
  for (std::size_t i = count; i > at; --i) *block.link(i) = *block.link(i - 1);
  *block.link(at) = deeper;
  block.deeper |= bit;
}
void erase_link(IndexBlock& block, std::uint32_t bit) noexcept {
  const std::size_t count = count_bits(block.deeper);
  for (std::size_t i = place(block.deeper, bit); i + 1 < count; ++i) {
    *block.link(i) = *block.link(i + 1);
  }
  block.deeper &= ~bit;
}

/// Where `name` stands, or would stand, in a block of equal hashes.
std::size_t collision_place(IndexBlock& block, std::string_view name) noexcept {
  IndexEntry* end = block.entry(block.entries);
  return static_cast<std::size_t>(
      std::lower_bound(block.entry(0), end, name,
                       [](const IndexEntry& entry, std::string_view wanted) {
                         return entry.node->name() < wanted;
                       }) -
      block.entry(0));
}

/// Blocks for two entries that share all digits above `level`.
IndexBlock* make_pair(const IndexEntry& a, const IndexEntry& b, unsigned level, Account& account) {
  const std::uint32_t hash_a = TreeImpl::hash(*a.node);
  const std::uint32_t hash_b = TreeImpl::hash(*b.node);
  unsigned last = level;
  while (last < kIndexLevels && digit_bit(hash_a, last) == digit_bit(hash_b, last)) ++last;

  // All memory first: the chain has a block per level.
  std::array<IndexBlock*, kIndexLevels + 1> chain{};
  for (unsigned i = level; i <= last; ++i) {
    const std::size_t chunk = i == last ? chunk_size(need(2, 0)) : chunk_size(need(0, 1));
    void* memory = account.try_allocate(chunk);
    if (memory == nullptr) {
      while (i-- > level) account.free(chain[i], chunk_of(*chain[i]));
      throw std::bad_alloc();
    }
    chain[i] = construct(memory, chunk);
  }
  for (unsigned i = level; i < last; ++i) {
    chain[i]->deeper = digit_bit(hash_a, i);
    *chain[i]->link(0) = chain[i + 1];
  }
  IndexBlock& block = *chain[last];
  bool a_first = false;
  if (last == kIndexLevels) {
    block.entries = 2;
    a_first = a.node->name() < b.node->name();
  } else {
    block.entries = digit_bit(hash_a, last) | digit_bit(hash_b, last);
    a_first = digit_bit(hash_a, last) < digit_bit(hash_b, last);
  }
  *block.entry(0) = a_first ? a : b;
  *block.entry(1) = a_first ? b : a;
  return chain[level];
}

template <bool kOwner>
IndexEntry* find_entry(IndexBlock* root, const ChildName& name, bool& unique) noexcept {
  IndexBlock* block = root;
  for (unsigned level = 0; level < kIndexLevels; ++level) {
    if (block == nullptr) return nullptr;
    if (kOwner && block->references != 1) unique = false;
    const std::uint32_t bit = digit_bit(name.hash, level);
    if ((block->entries & bit) != 0) {
      IndexEntry* entry = block->entry(place(block->entries, bit));
      return TreeImpl::is(*entry->node, name) ? entry : nullptr;
    }
    if ((block->deeper & bit) == 0) return nullptr;
    block = *block->link(place(block->deeper, bit));
  }
  if (kOwner && block->references != 1) unique = false;
  const std::size_t at = collision_place(*block, name.view());
  if (at == block->entries || !TreeImpl::is(*block->entry(at)->node, name)) return nullptr;
  return block->entry(at);
}

}  // namespace

IndexEntry* index_find(IndexBlock* root, const ChildName& name) noexcept {
  bool ignored = false;
  return find_entry<false>(root, name, ignored);
}

IndexEntry* index_find_unique(IndexBlock* root, const ChildName& name, bool& unique) noexcept {
  return find_entry<true>(root, name, unique);
}

IndexEntry* index_own(IndexBlock*& root, const ChildName& name, Account& account) {
  IndexBlock** link = &root;
  for (unsigned level = 0;; ++level) {
    own(*link, level, account);
    IndexBlock& block = **link;
    if (level == kIndexLevels) return block.entry(collision_place(block, name.view()));
    const std::uint32_t bit = digit_bit(name.hash, level);
    if ((block.entries & bit) != 0) return block.entry(place(block.entries, bit));
    link = block.link(place(block.deeper, bit));
  }
}

void index_insert(IndexBlock*& root, IndexEntry entry, Account& account) {
  if (root == nullptr) {
    const std::size_t chunk = chunk_size(need(2, 0));
    root = construct(account.allocate(chunk), chunk);
  }
  const std::uint32_t hash = TreeImpl::hash(*entry.node);
  IndexBlock** link = &root;
  for (unsigned level = 0;; ++level) {
    own(*link, level, account);
    const std::size_t entries = entry_count(**link, level);
    const std::size_t deeper = count_bits((*link)->deeper);
    if (level == kIndexLevels) {
      make_room(*link, entries + 1, 0, level, account);
      insert_entry(**link, collision_place(**link, entry.node->name()), entries, entry);
      ++(*link)->entries;
      return;
    }
    const std::uint32_t bit = digit_bit(hash, level);
    if (((*link)->deeper & bit) != 0) {
      link = (*link)->link(place((*link)->deeper, bit));
      continue;
    }
    if (((*link)->entries & bit) == 0) {
      make_room(*link, entries + 1, deeper, level, account);
      insert_entry(**link, place((*link)->entries, bit), entries, entry);
      (*link)->entries |= bit;
      return;
    }
    // Another name has these digits: both go one level down.
    IndexBlock& block = **link;
    const std::size_t at = place(block.entries, bit);
    IndexBlock* pair = make_pair(*block.entry(at), entry, level + 1, account);
    erase_entry(block, at, entries);
    block.entries &= ~bit;
    insert_link(block, bit, pair);
    return;
  }
}

void index_remove(IndexBlock*& root, const ChildName& name, Account& account) noexcept {
  std::array<IndexBlock**, kIndexLevels + 1> way{};
  unsigned level = 0;
  way[0] = &root;
  while (level < kIndexLevels && ((*way[level])->entries & digit_bit(name.hash, level)) == 0) {
    IndexBlock& block = **way[level];
    const std::uint32_t bit = digit_bit(name.hash, level);
    way[++level] = block.link(place(block.deeper, bit));
  }
  IndexBlock& block = **way[level];
  const std::size_t entries = entry_count(block, level);
  if (level == kIndexLevels) {
    erase_entry(block, collision_place(block, name.view()), entries);
    --block.entries;
  } else {
    const std::uint32_t bit = digit_bit(name.hash, level);
    erase_entry(block, place(block.entries, bit), entries);
    block.entries &= ~bit;
  }
  // A block left with one entry goes, and the entry moves up.
  for (; level > 0; --level) {
    IndexBlock* child = *way[level];
    const std::size_t left = entry_count(*child, level);
    if (child->deeper != 0 || left > 1) break;
    IndexBlock*& parent = *way[level - 1];
    const std::size_t above = entry_count(*parent, level - 1);
    const std::size_t links = count_bits(parent->deeper);
    if (left == 1 && !try_make_room(parent, above + 1, links, level - 1, account)) return;
    const std::uint32_t bit = digit_bit(name.hash, level - 1);
    erase_link(*parent, bit);
    if (left == 1) {
      insert_entry(*parent, place(parent->entries, bit), above, *child->entry(0));
      parent->entries |= bit;
    }
    account.free(child, chunk_of(*child));
  }
  shrink(*way[level], level, account);
}

void index_drop(IndexBlock* root, Reaper& reaper, unsigned level) noexcept {
  if (root == nullptr || --root->references != 0) return;
  const std::size_t entries = entry_count(*root, level);
  for (std::size_t i = 0; i < entries; ++i) reaper.drop(root->entry(i)->node);
  const std::size_t deeper = count_bits(root->deeper);
  for (std::size_t i = 0; i < deeper; ++i) index_drop(*root->link(i), reaper, level + 1);
  reaper.free(root, chunk_of(*root));
}

}  // namespace vxs::store
