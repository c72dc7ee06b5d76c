#include "store/child_order.hh"

#include <algorithm>
#include <array>
#include <cstring>

namespace vxs::store {
namespace {

/// More levels than any tree has that fits into memory: blocks are at least a quarter full but for
/// a few.
constexpr std::size_t kMostLevels = 32;
/// A block this empty looks for a neighbour to join.
constexpr std::size_t kSparse = kOrderFanout / 3;
constexpr std::size_t kJoined = kOrderFanout * 3 / 4;
constexpr std::size_t kInnerChunk = chunk_size(sizeof(OrderInner));

OrderLeaf& leaf_of(OrderBlock& block) noexcept { return static_cast<OrderLeaf&>(block); }
OrderInner& inner_of(OrderBlock& block) noexcept { return static_cast<OrderInner&>(block); }
std::size_t chunk_of(OrderBlock& block) noexcept {
  return block.level == 0 ? leaf_of(block).units * kUnit : kInnerChunk;
}
std::size_t capacity_of(OrderLeaf& leaf) noexcept {
  return usable_size(leaf.units * kUnit) - sizeof(OrderLeaf);
}
std::size_t leaf_chunk(std::size_t names) noexcept { return chunk_size(sizeof(OrderLeaf) + names); }

OrderLeaf* construct_leaf(void* memory, std::size_t chunk) noexcept {
  auto* leaf = new (memory) OrderLeaf;
  leaf->units = static_cast<std::uint32_t>(chunk / kUnit);
  return leaf;
}
OrderInner* construct_inner(void* memory, unsigned level) noexcept {
  auto* inner = new (memory) OrderInner;
  inner->level = static_cast<std::uint16_t>(level);
  return inner;
}

void copy_content(const OrderLeaf& from, OrderLeaf& to) noexcept {
  to.count = from.count;
  to.used = from.used;
  std::memcpy(to.numbers, from.numbers, from.count * sizeof from.numbers[0]);
  std::memcpy(to.ends, from.ends, from.count * sizeof from.ends[0]);
  std::memcpy(to.names(), from.names(), from.used);
}
void copy_content(const OrderInner& from, OrderInner& to) noexcept {
  to.count = from.count;
  std::memcpy(to.firsts, from.firsts, from.count * sizeof from.firsts[0]);
  std::memcpy(to.bytes, from.bytes, from.count * sizeof from.bytes[0]);
  std::memcpy(to.children, from.children, from.count * sizeof from.children[0]);
}

/// Makes the block at `link` this version's alone; false if there is no memory.
bool try_own(OrderBlock*& link, Account& account) noexcept {
  OrderBlock& shared = *link;
  if (shared.references == 1) return true;
  const std::size_t chunk = chunk_of(shared);
  void* memory = account.try_allocate(chunk);
  if (memory == nullptr) return false;
  if (shared.level == 0) {
    OrderLeaf* leaf = construct_leaf(memory, chunk);
    copy_content(leaf_of(shared), *leaf);
    link = leaf;
  } else {
    OrderInner* inner = construct_inner(memory, shared.level);
    copy_content(inner_of(shared), *inner);
    for (std::size_t i = 0; i < inner->count; ++i) ++inner->children[i]->references;
    link = inner;
  }
  --shared.references;
  account.leave(chunk);
  return true;
}
void own(OrderBlock*& link, Account& account) {
  if (!try_own(link, account)) throw std::bad_alloc();
}

std::uint64_t bytes_below(OrderBlock& block) noexcept {
  if (block.level == 0) return leaf_of(block).used;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < block.count; ++i) sum += inner_of(block).bytes[i];
  return sum;
}
std::uint64_t first_below(OrderBlock& block) noexcept {
  return block.level == 0 ? leaf_of(block).numbers[0] : inner_of(block).firsts[0];
}

/// The child of `inner` whose numbers include `number` if any does.
std::size_t child_for(const OrderInner& inner, std::uint64_t number) noexcept {
  std::size_t i = 1;
  while (i < inner.count && inner.firsts[i] <= number) ++i;
  return i - 1;
}

/// Moves an owned leaf to a block with room for `names` bytes.
bool try_resize(OrderBlock*& link, std::size_t names, Account& account) noexcept {
  const std::size_t chunk = leaf_chunk(names);
  void* memory = account.try_allocate(chunk);
  if (memory == nullptr) return false;
  OrderLeaf* leaf = construct_leaf(memory, chunk);
  copy_content(leaf_of(*link), *leaf);
  account.free(link, chunk_of(*link));
  link = leaf;
  return true;
}

void append_name(OrderLeaf& leaf, std::uint64_t number, std::string_view name) noexcept {
  char* at = leaf.names() + leaf.used;
  std::memcpy(at, name.data(), name.size());
  at[name.size()] = '\0';
  leaf.used += static_cast<std::uint32_t>(name.size() + 1);
  leaf.numbers[leaf.count] = number;
  leaf.ends[leaf.count] = leaf.used;
  ++leaf.count;
}
void append_child(OrderInner& inner, OrderBlock* child) noexcept {
  inner.firsts[inner.count] = first_below(*child);
  inner.bytes[inner.count] = bytes_below(*child);
  inner.children[inner.count] = child;
  ++inner.count;
}

void erase_name(OrderLeaf& leaf, std::size_t at) noexcept {
  const std::size_t begin = leaf.begin(at);
  const std::size_t size = leaf.ends[at] - begin;
  std::memmove(leaf.names() + begin, leaf.names() + begin + size, leaf.used - begin - size);
  for (std::size_t i = at; i + 1 < leaf.count; ++i) {
    leaf.numbers[i] = leaf.numbers[i + 1];
    leaf.ends[i] = leaf.ends[i + 1] - static_cast<std::uint32_t>(size);
  }
  leaf.used -= static_cast<std::uint32_t>(size);
  --leaf.count;
}
void erase_child(OrderInner& inner, std::size_t at) noexcept {
  const std::size_t after = inner.count - at - 1;
  std::memmove(inner.firsts + at, inner.firsts + at + 1, after * sizeof inner.firsts[0]);
  std::memmove(inner.bytes + at, inner.bytes + at + 1, after * sizeof inner.bytes[0]);
  std::memmove(inner.children + at, inner.children + at + 1, after * sizeof inner.children[0]);
  --inner.count;
}

/// Joins children `at` and `at + 1` of `parent` if one of them is sparse and they fit together.
/// Both stay as they are if there is no memory.
void try_join(OrderInner& parent, std::size_t at, Account& account) noexcept {
  if (at + 1 >= parent.count) return;
  OrderBlock*& left = parent.children[at];
  OrderBlock*& right = parent.children[at + 1];
  if (std::min(left->count, right->count) > kSparse || left->count + right->count > kJoined) {
    return;
  }
  const std::uint64_t bytes = parent.bytes[at] + parent.bytes[at + 1];
  if (left->level == 0 && bytes > kOrderLeafBytes) return;
  if (!try_own(left, account) || !try_own(right, account)) return;
  if (left->level == 0) {
    if (bytes > capacity_of(leaf_of(*left)) && !try_resize(left, bytes, account)) return;
    OrderLeaf& from = leaf_of(*right);
    for (std::size_t i = 0; i < from.count; ++i) {
      append_name(leaf_of(*left), from.numbers[i], from.name(i));
    }
  } else {
    OrderInner& from = inner_of(*right);
    OrderInner& to = inner_of(*left);
    std::memcpy(to.firsts + to.count, from.firsts, from.count * sizeof from.firsts[0]);
    std::memcpy(to.bytes + to.count, from.bytes, from.count * sizeof from.bytes[0]);
    std::memcpy(to.children + to.count, from.children, from.count * sizeof from.children[0]);
    to.count = static_cast<std::uint16_t>(to.count + from.count);
  }
  account.free(right, chunk_of(*right));
  parent.bytes[at] = bytes;
  erase_child(parent, at + 1);
}

/// Links `leaf` (one name) to the right of everything; `way` are the owned inner blocks of the
/// right edge, from the root down.
void append_leaf(OrderBlock*& root, OrderBlock* leaf, OrderBlock** const* way, std::size_t depth,
                 Account& account) {
  // The new blocks needed: one per full level from below, and a new root if all are full.
  std::size_t full = 0;
  while (full < depth && (*way[depth - 1 - full])->count == kOrderFanout) ++full;
  const std::size_t wanted = full == depth ? full + 1 : full;
  std::array<void*, kMostLevels + 1> memory{};
  for (std::size_t i = 0; i < wanted; ++i) {
    memory[i] = account.try_allocate(kInnerChunk);
    if (memory[i] == nullptr) {
      while (i-- > 0) account.free(memory[i], kInnerChunk);
      throw std::bad_alloc();
    }
  }
  const std::uint64_t added = leaf_of(*leaf).used;
  OrderBlock* top = leaf;
  for (std::size_t i = 0; i < full; ++i) {
    OrderInner* inner = construct_inner(memory[i], static_cast<unsigned>(i + 1));
    append_child(*inner, top);
    top = inner;
  }
  if (full == depth) {
    OrderInner* inner = construct_inner(memory[full], static_cast<unsigned>(depth + 1));
    append_child(*inner, root);
    append_child(*inner, top);
    root = inner;
    return;
  }
  for (std::size_t i = 0; i + full + 1 < depth; ++i) {
    OrderInner& above = inner_of(**way[i]);
    above.bytes[above.count - 1U] += added;
  }
  append_child(inner_of(**way[depth - 1 - full]), top);
}

}  // namespace

void order_append(OrderBlock*& root, std::uint64_t number, std::string_view name,
                  Account& account) {
  const std::size_t size = name.size() + 1;
  std::array<OrderBlock**, kMostLevels> way{};
  std::size_t depth = 0;
  OrderBlock** link = &root;
  if (root != nullptr) {
    own(root, account);
    while ((*link)->level != 0) {
      way[depth++] = link;
      OrderInner& inner = inner_of(**link);
      link = &inner.children[inner.count - 1U];
      own(*link, account);
    }
    OrderLeaf& leaf = leaf_of(**link);
    if (leaf.count < kOrderFanout && leaf.used + size <= kOrderLeafBytes) {
      const std::size_t need = leaf.used + size;
      if (need > capacity_of(leaf) && !try_resize(*link, need + need / 2, account)) {
        throw std::bad_alloc();
      }
      append_name(leaf_of(**link), number, name);
      for (std::size_t i = 0; i < depth; ++i) {
        OrderInner& inner = inner_of(**way[i]);
        inner.bytes[inner.count - 1U] += size;
      }
      return;
    }
  }
  const std::size_t chunk = leaf_chunk(size);
  OrderLeaf* leaf = construct_leaf(account.allocate(chunk), chunk);
  append_name(*leaf, number, name);
  if (root == nullptr) {
    root = leaf;
    return;
  }
  try {
    append_leaf(root, leaf, way.data(), depth, account);
  } catch (...) {
    account.free(leaf, chunk);
    throw;
  }
}

void order_remove(OrderBlock*& root, std::uint64_t number, Account& account) {
  std::array<OrderInner*, kMostLevels> way{};
  std::array<std::size_t, kMostLevels> at{};
  std::size_t depth = 0;
  OrderBlock** link = &root;
  own(*link, account);
  while ((*link)->level != 0) {
    OrderInner& inner = inner_of(**link);
    way[depth] = &inner;
    at[depth] = child_for(inner, number);
    link = &inner.children[at[depth]];
    ++depth;
    own(*link, account);
  }
  // From here on nothing throws.
  OrderLeaf& leaf = leaf_of(**link);
  const auto* found = std::lower_bound(leaf.numbers, leaf.numbers + leaf.count, number);
  const auto index = static_cast<std::size_t>(found - leaf.numbers);
  const std::uint64_t removed = leaf.ends[index] - leaf.begin(index);
  erase_name(leaf, index);
  for (std::size_t i = 0; i < depth; ++i) way[i]->bytes[at[i]] -= removed;
  while (depth > 0) {
    OrderInner& parent = *way[--depth];
    const std::size_t i = at[depth];
    OrderBlock* child = parent.children[i];
    if (child->count == 0) {
      account.free(child, chunk_of(*child));
      erase_child(parent, i);
    } else if (child->count <= kSparse) {
      try_join(parent, i, account);
      if (i > 0) try_join(parent, i - 1, account);
    }
  }
  while (root != nullptr && (root->count == 0 || (root->level != 0 && root->count == 1))) {
    OrderBlock* old = root;
    root = old->count == 0 ? nullptr : inner_of(*old).children[0];
    account.free(old, chunk_of(*old));
    // The block below may be another version's too; then it stays as it is.
    if (root != nullptr && root->references != 1) break;
  }
}

bool order_names(const OrderBlock* root, std::string& out, std::size_t offset, std::size_t limit) {
  while (root != nullptr) {
    const OrderBlock* block = root;
    std::size_t rest = offset;
    while (block->level != 0) {
      const auto& inner = static_cast<const OrderInner&>(*block);
      std::size_t i = 0;
      while (i < inner.count && rest >= inner.bytes[i]) rest -= inner.bytes[i++];
      if (i == inner.count) return true;
      block = inner.children[i];
    }
    const auto& leaf = static_cast<const OrderLeaf&>(*block);
    if (rest >= leaf.used) return true;
    if (leaf.used - rest > limit) {
      // The names that end within the limit.
      const auto* last = std::upper_bound(leaf.ends, leaf.ends + leaf.count, rest + limit);
      const std::size_t end = leaf.begin(static_cast<std::size_t>(last - leaf.ends));
      if (end > rest) out.append(leaf.names() + rest, end - rest);
      return false;
    }
    out.append(leaf.names() + rest, leaf.used - rest);
    offset += leaf.used - rest;
    limit -= leaf.used - rest;
  }
  return true;
}

OrderPlace order_find(const OrderBlock* root, std::uint64_t number) noexcept {
  const OrderBlock* block = root;
  const OrderBlock* next = nullptr;  // the subtree that comes after the one looked into
  while (block != nullptr) {
    while (block->level != 0) {
      const auto& inner = static_cast<const OrderInner&>(*block);
      const std::size_t i = child_for(inner, number);
      if (i + 1 < inner.count) next = inner.children[i + 1];
      block = inner.children[i];
    }
    const auto& leaf = static_cast<const OrderLeaf&>(*block);
    const auto* found = std::lower_bound(leaf.numbers, leaf.numbers + leaf.count, number);
    if (found != leaf.numbers + leaf.count) {
      return {&leaf, static_cast<std::uint32_t>(found - leaf.numbers)};
    }
    block = next;
    next = nullptr;
  }
  return {};
}

void order_drop(OrderBlock* root, Reaper& reaper) noexcept {
  if (root == nullptr || --root->references != 0) return;
  if (root->level != 0) {
    // Bounded: as deep as the B+-tree, a handful of levels.
    for (std::size_t i = 0; i < root->count; ++i) order_drop(inner_of(*root).children[i], reaper);
  }
  reaper.free(root, chunk_of(*root));
}

}  // namespace vxs::store
