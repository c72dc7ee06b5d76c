#include "store/perm_set.hh"

#include <algorithm>

namespace vxs::store {
namespace {

constexpr std::size_t kFirstBuckets = 64;
constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15U;

std::uint64_t mix(std::uint64_t h, std::uint64_t value) noexcept {
  h = (h ^ value) * kMultiplier;
  return h ^ (h >> 29);
}

}  // namespace

struct PermTable::Impl {
  std::vector<PermSet*> buckets = std::vector<PermSet*>(kFirstBuckets);
  std::size_t size = 0;
  std::size_t bytes = 0;
  // Lists are chosen by guests: a hash they cannot predict keeps the chains short. Nothing
  // observable depends on it.
  std::uint64_t seed = reinterpret_cast<std::uintptr_t>(this) * kMultiplier;

  [[nodiscard]] std::size_t hash(std::span<const protocol::PermEntry> entries) const noexcept {
    std::uint64_t h = seed;
    for (const protocol::PermEntry& entry : entries) {
      h = mix(h, (std::uint64_t{entry.domid} << 8) | static_cast<std::uint64_t>(entry.access));
      h = mix(h, entry.incarnation);
    }
    return mix(h, entries.size());
  }

  [[nodiscard]] PermSet*& bucket(std::size_t hash) noexcept {
    return buckets[hash & (buckets.size() - 1)];
  }

  void grow() {
    std::vector<PermSet*> old(buckets.size() * 2);
    old.swap(buckets);
    for (PermSet* set : old) {
      while (set != nullptr) {
        PermSet* next = set->next_;
        PermSet*& head = bucket(set->hash_);
        set->next_ = head;
        head = set;
        set = next;
      }
    }
  }

  static std::size_t size_of(const PermSet& set) noexcept {
    return sizeof(PermSet) + set.entries_.capacity() * sizeof(protocol::PermEntry);
  }
};

PermTable::PermTable() : impl_(std::make_unique<Impl>()) {}

// Every list is gone by now (see the header); what is left would be somebody's dangling PermRef.
PermTable::~PermTable() = default;

PermRef PermTable::intern(std::span<const protocol::PermEntry> entries) {
  const std::size_t hash = impl_->hash(entries);
  for (PermSet* set = impl_->bucket(hash); set != nullptr; set = set->next_) {
    if (set->hash_ == hash && std::ranges::equal(set->entries_, entries)) return PermRef(set);
  }
  if (impl_->size >= impl_->buckets.size()) impl_->grow();
  auto set = std::make_unique<PermSet>();
  set->entries_.assign(entries.begin(), entries.end());
  set->hash_ = hash;
  set->table_ = this;
  PermSet*& head = impl_->bucket(hash);
  set->next_ = head;
  head = set.release();
  ++impl_->size;
  impl_->bytes += Impl::size_of(*head);
  return PermRef(head);
}

std::size_t PermTable::size() const noexcept { return impl_->size; }

std::size_t PermTable::bytes() const noexcept {
  return impl_->bytes + impl_->buckets.capacity() * sizeof(PermSet*);
}

void PermRef::forget(PermSet* set) noexcept {
  const std::unique_ptr<PermSet> owner(set);
  PermTable::Impl& table = *set->table_->impl_;
  PermSet** link = &table.bucket(set->hash_);
  while (*link != set) link = &(*link)->next_;
  *link = set->next_;
  --table.size;
  table.bytes -= PermTable::Impl::size_of(*set);
}

}  // namespace vxs::store
