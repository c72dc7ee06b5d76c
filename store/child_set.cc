#include "store/child_set.hh"

#include <algorithm>
#include <array>
#include <cstring>

#include "store/child_index.hh"
#include "store/child_order.hh"

namespace vxs::store {
namespace {

constexpr std::size_t small_chunk(std::size_t capacity) noexcept {
  return chunk_size(sizeof(SmallSet) + capacity * (sizeof(std::uint32_t) + sizeof(Node*)));
}
/// 2, 6, 10, … fill a chunk exactly.
constexpr std::size_t capacity_for(std::size_t count) noexcept {
  return count <= 2 ? 2 : 2 + (count - 2 + 3) / 4 * 4;
}
constexpr std::size_t kLargeChunk = chunk_size(sizeof(LargeSet));

SmallSet& small(ChildSet& set) noexcept { return static_cast<SmallSet&>(set); }
LargeSet& large(ChildSet& set) noexcept { return static_cast<LargeSet&>(set); }

std::size_t chunk_of(const ChildSet& set) noexcept {
  return set.form == ChildForm::kSmall ? small_chunk(set.capacity) : kLargeChunk;
}

SmallSet* construct_small(void* memory, std::size_t capacity) noexcept {
  auto* set = new (memory) SmallSet;
  set->capacity = static_cast<std::uint8_t>(capacity);
  return set;
}

/// Copies count, sums and arrays into a set with at least the same capacity.
void copy_content(SmallSet& from, SmallSet& to) noexcept {
  to.count = from.count;
  to.names_bytes = from.names_bytes;
  std::memcpy(to.hashes(), from.hashes(), from.count * sizeof(std::uint32_t));
  std::memcpy(static_cast<void*>(to.children()), from.children(), from.count * sizeof(Node*));
}

/// Gives `link` a small set of its own with room for `count` children.
void own_small(ChildSet*& link, std::size_t count, Account& account) {
  SmallSet& old = small(*link);
  const bool shared = old.references != 1;
  if (!shared && count <= old.capacity) return;
  const std::size_t capacity = capacity_for(std::max<std::size_t>(count, old.count));
  SmallSet* set = construct_small(account.allocate(small_chunk(capacity)), capacity);
  copy_content(old, *set);
  if (shared) {
    for (std::size_t i = 0; i < set->count; ++i) TreeImpl::reference(set->children()[i]);
    --old.references;
    account.leave(chunk_of(old));
  } else {
    account.free(&old, chunk_of(old));
  }
  link = set;
}

void own_large(ChildSet*& link, Account& account) {
  LargeSet& old = large(*link);
  if (old.references == 1) return;
  auto* set = new (account.allocate(kLargeChunk)) LargeSet(old);
  set->references = 1;
  ++set->index->references;
  ++set->order->references;
  --old.references;
  account.leave(kLargeChunk);
  link = set;
}

void append_small(SmallSet& set, Node* child) noexcept {
  set.hashes()[set.count] = TreeImpl::hash(*child);
  set.children()[set.count] = child;
  set.names_bytes += child->name().size() + 1;
  ++set.count;
}

/// Keeps `structure_bytes` while the blocks of a large set change.
class StructureMeter {
 public:
  StructureMeter(LargeSet& set, Account& account) noexcept
      : set_(set), account_(account), before_(account.reachable()) {}
  StructureMeter(const StructureMeter&) = delete;
  StructureMeter& operator=(const StructureMeter&) = delete;
  ~StructureMeter() { set_.structure_bytes += account_.reachable() - before_; }

 private:
  LargeSet& set_;
  Account& account_;
  std::size_t before_;
};

/// Strong; `child`'s reference is taken over on success.
void insert_large(LargeSet& set, Node* child, Account& account) {
  const StructureMeter meter(set, account);
  const std::uint64_t number = set.next_number;
  index_insert(set.index, {child, number}, account);
  try {
    order_append(set.order, number, child->name(), account);
  } catch (...) {
    index_remove(set.index, ChildName::whole(child->name()), account);
    throw;
  }
  ++set.next_number;
  ++set.large_count;
  set.names_bytes += child->name().size() + 1;
}

/// The large form of the small set at `link` and one child more.
void promote(ChildSet*& link, Node* child, Account& account) {
  SmallSet& old = small(*link);
  auto* set = new (account.allocate(kLargeChunk)) LargeSet;
  set->form = ChildForm::kLarge;
  try {
    for (std::size_t i = 0; i < old.count; ++i) {
      Node* const moved = old.children()[i];
      insert_large(*set, moved, account);
      TreeImpl::reference(moved);
    }
    insert_large(*set, child, account);
  } catch (...) {
    account.leave(kLargeChunk + set->structure_bytes);
    Reaper reaper(account.stats());
    child_set_drop(set, reaper);
    throw;
  }
  account.leave(chunk_of(old));
  Reaper reaper(account.stats());
  child_set_drop(&old, reaper);
  link = set;
}

/// Makes a large set with few children small; it stays as it is if there is no memory.
void demote(ChildSet*& link, Account& account) noexcept {
  LargeSet& old = large(*link);
  const std::size_t capacity = capacity_for(old.large_count);
  void* memory = account.try_allocate(small_chunk(capacity));
  if (memory == nullptr) return;
  SmallSet* set = construct_small(memory, capacity);
  OrderPlace place = order_find(old.order, 0);
  while (place.leaf != nullptr) {
    const ChildName name = ChildName::whole(place.leaf->name(place.index));
    Node* child = index_find(old.index, name)->node;
    TreeImpl::reference(child);
    append_small(*set, child);
    place = order_find(old.order, place.leaf->numbers[place.index] + 1);
  }
  account.leave(kLargeChunk + old.structure_bytes);
  Reaper reaper(account.stats());
  child_set_drop(&old, reaper);
  link = set;
}

Node* remove_large(LargeSet& set, const ChildName& name, Account& account) {
  const StructureMeter meter(set, account);
  const IndexEntry entry = *index_own(set.index, name, account);
  order_remove(set.order, entry.number, account);
  index_remove(set.index, name, account);
  --set.large_count;
  set.names_bytes -= name.size + 1;
  return entry.node;
}

Node* remove_small(ChildSet*& link, const ChildName& name, Account& account) {
  own_small(link, link->count, account);
  SmallSet& set = small(*link);
  const std::size_t at = small_place(set, name);
  Node* child = set.children()[at];
  const std::size_t after = set.count - at - 1U;
  std::memmove(set.hashes() + at, set.hashes() + at + 1, after * sizeof(std::uint32_t));
  std::memmove(static_cast<void*>(set.children() + at), set.children() + at + 1,
               after * sizeof(Node*));
  --set.count;
  set.names_bytes -= name.size + 1;
  if (set.count == 0) {
    account.free(&set, chunk_of(set));
    link = nullptr;
  } else if (capacity_for(set.count) + 8 <= set.capacity) {
    // Gives memory back; not worth failing for.
    const std::size_t capacity = capacity_for(set.count);
    void* memory = account.try_allocate(small_chunk(capacity));
    if (memory != nullptr) {
      SmallSet* tight = construct_small(memory, capacity);
      copy_content(set, *tight);
      account.free(&set, chunk_of(set));
      link = tight;
    }
  }
  return child;
}

}  // namespace

Node* large_find(const LargeSet& set, const ChildName& name) noexcept {
  const IndexEntry* entry = index_find(set.index, name);
  return entry == nullptr ? nullptr : entry->node;
}

Node** child_own(ChildSet*& link, const ChildName& name, Account& account) {
  if (link == nullptr) return nullptr;
  if (link->form == ChildForm::kSmall) {
    const std::size_t at = small_place(small(*link), name);
    if (at == link->count) return nullptr;
    own_small(link, link->count, account);
    return small(*link).children() + at;
  }
  bool unique = link->references == 1;
  IndexEntry* entry = index_find_unique(large(*link).index, name, unique);
  if (entry == nullptr) return nullptr;
  if (!unique) {
    own_large(link, account);
    const StructureMeter meter(large(*link), account);
    entry = index_own(large(*link).index, name, account);
  }
  return &entry->node;
}

void child_insert(ChildSet*& link, Node* child, Account& account) {
  if (link == nullptr) {
    constexpr std::size_t kCapacity = capacity_for(1);
    SmallSet* set = construct_small(account.allocate(small_chunk(kCapacity)), kCapacity);
    append_small(*set, child);
    link = set;
  } else if (link->form == ChildForm::kSmall) {
    if (link->count == kSmallMost) {
      promote(link, child, account);
      return;
    }
    own_small(link, link->count + std::size_t{1}, account);
    append_small(small(*link), child);
  } else {
    own_large(link, account);
    insert_large(large(*link), child, account);
  }
}

Node* child_remove(ChildSet*& link, const ChildName& name, Account& account) {
  if (link->form == ChildForm::kSmall) return remove_small(link, name, account);
  own_large(link, account);
  Node* child = remove_large(large(*link), name, account);
  if (large(*link).large_count <= kLargeLeast) demote(link, account);
  return child;
}

bool child_names(const ChildSet* set, std::string& out, std::size_t offset, std::size_t limit) {
  if (set == nullptr || offset >= set->names_bytes) return true;
  if (set->form == ChildForm::kLarge) {
    return order_names(static_cast<const LargeSet*>(set)->order, out, offset, limit);
  }
  SmallSet& names = small(const_cast<ChildSet&>(*set));
  for (std::size_t i = 0; i < set->count; ++i) {
    const std::string_view name = names.children()[i]->name();
    const std::size_t size = name.size() + 1;
    if (offset >= size) {
      offset -= size;
      continue;
    }
    if (size - offset > limit) return false;
    out.append(name, offset);
    out.push_back('\0');
    limit -= size - offset;
    offset = 0;
  }
  return true;
}

std::size_t child_set_bytes(const ChildSet& set) noexcept {
  std::size_t bytes = chunk_of(set);
  if (set.form == ChildForm::kLarge) bytes += static_cast<const LargeSet&>(set).structure_bytes;
  return bytes;
}

void child_set_drop(ChildSet* set, Reaper& reaper) noexcept {
  if (set == nullptr || --set->references != 0) return;
  if (set->form == ChildForm::kSmall) {
    for (std::size_t i = 0; i < set->count; ++i) reaper.drop(small(*set).children()[i]);
  } else {
    index_drop(large(*set).index, reaper);
    order_drop(large(*set).order, reaper);
  }
  reaper.free(set, chunk_of(*set));
}

}  // namespace vxs::store
