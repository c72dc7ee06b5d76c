// refs/conflicts: the newest failed transactions, kept in packed-refs.
#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "protocol/ids.hh"
#include "store/history/object_store.hh"

namespace vxs::store {

class ConflictRing {
 public:
  static constexpr std::size_t kMaxConflicts = 1000;
  static constexpr std::size_t kMaxPerDomain = 50;

  /// Takes over what packed-refs has. A conflict whose commit cannot be read is forgotten.
  void load(std::string_view packed_refs, ObjectStore& objects);
  /// Adds a conflict (or replaces the one with this Seq) and drops the oldest beyond the limits.
  void add(Seq seq, DomId domid, const ObjectId& commit);
  /// `packed_refs` with its refs/conflicts replaced by these; other refs stay.
  [[nodiscard]] std::string merged_into(std::string_view packed_refs) const;
  [[nodiscard]] std::size_t size() const noexcept { return conflicts_.size(); }

 private:
  struct Conflict {
    Seq seq = 0;
    DomId domid = 0;
    ObjectId commit;
  };
  std::deque<Conflict> conflicts_;  // by rising Seq
};

}  // namespace vxs::store
