// Interned permission lists. A tree of a million nodes has a few thousand
// different lists; each is kept once and compared by address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "protocol/permissions.hh"

namespace vxs::store {

class PermTable;

/// An immutable permission list. The entries never change after creation, so
/// any thread may read them while some PermRef keeps the list alive; the
/// reference count belongs to the thread that owns the PermTable.
class PermSet {
 public:
  [[nodiscard]] std::span<const protocol::PermEntry> entries() const noexcept { return entries_; }
  [[nodiscard]] DomId owner() const noexcept { return entries_.front().domid; }

 private:
  friend class PermTable;
  friend class PermRef;
  std::vector<protocol::PermEntry> entries_;
  std::size_t hash_ = 0;
  std::uint32_t references_ = 0;
  PermTable* table_ = nullptr;
  PermSet* next_ = nullptr;  ///< in the table's bucket
};

/// A counted reference to an interned list; copy and destroy on the owner
/// thread only. Equality is identity: two refs of one table are equal exactly
/// if their lists are.
class PermRef {
 public:
  PermRef() noexcept = default;
  PermRef(const PermRef& other) noexcept : set_(other.set_) {
    if (set_ != nullptr) ++set_->references_;
  }
  PermRef(PermRef&& other) noexcept : set_(std::exchange(other.set_, nullptr)) {}
  PermRef& operator=(PermRef other) noexcept {
    std::swap(set_, other.set_);
    return *this;
  }
  ~PermRef() {
    if (set_ != nullptr && --set_->references_ == 0) forget(set_);
  }

  [[nodiscard]] const PermSet* get() const noexcept { return set_; }
  const PermSet* operator->() const noexcept { return set_; }
  const PermSet& operator*() const noexcept { return *set_; }
  explicit operator bool() const noexcept { return set_ != nullptr; }
  friend bool operator==(const PermRef& a, const PermRef& b) noexcept { return a.set_ == b.set_; }

 private:
  friend class PermTable;
  explicit PermRef(PermSet* set) noexcept : set_(set) { ++set_->references_; }
  static void forget(PermSet* set) noexcept;
  PermSet* set_ = nullptr;
};

/// The pool. It must outlive every PermRef it gave out (it sits beside the
/// Tree that uses it and is destroyed after it). One thread.
class PermTable {
 public:
  PermTable();
  ~PermTable();
  PermTable(const PermTable&) = delete;
  PermTable& operator=(const PermTable&) = delete;

  /// The interned list with these entries. REQUIRES: !entries.empty().
  [[nodiscard]] PermRef intern(std::span<const protocol::PermEntry> entries);
  /// Number of distinct lists alive, and the bytes they take.
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] std::size_t bytes() const noexcept;

 private:
  friend class PermRef;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vxs::store
