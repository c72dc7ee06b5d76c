// Keeps the number of packs small: small packs are copied into larger ones, in
// tiers; the old ones go after a grace, so that a clone in flight finishes.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "store/history/object_store.hh"
#include "store/history/repository_files.hh"

namespace vxs::store {

class PackKeeper {
 public:
  using Clock = std::chrono::steady_clock;
  /// A superseded pack stays this long (measured: fsck beside an immediate removal fails).
  static constexpr std::chrono::minutes kGrace{5};
  /// So many packs of one tier become one of the next.
  static constexpr std::size_t kPacksOfTier = 8;
  /// There are never more packs that readers need (superseded ones not counted).
  static constexpr std::size_t kMostPacks = 50;
  /// The multi-pack-index names the packs there were at most so long ago.
  static constexpr std::chrono::seconds kIndexPause{30};

  /// A merge keeps `pack_memory` bytes of the new pack in memory, the rest in a file.
  PackKeeper(RepositoryFiles& files, ObjectStore& objects, std::size_t pack_memory = 4U << 20U)
      : files_(files), objects_(objects), pack_memory_(pack_memory) {}

  /// Reads what packs there are. Error: kIo.
  [[nodiscard]] HistoryResult<void> open();
  /// A pack became visible.
  void added(const ObjectId& checksum, std::uint64_t bytes);
  /// Joins packs until there are fewer than kMostPacks. Errors as step().
  [[nodiscard]] HistoryResult<void> make_room(Clock::time_point now = Clock::now());
  /// One bounded step (a merge of at most kPacksOfTier packs, the multi-pack-index, or the removal
  /// of what is due); false when there was nothing to do. Errors: kIo; kDamaged once for each
  /// damaged pack, which is left alone from then on.
  [[nodiscard]] HistoryResult<bool> step(Clock::time_point now = Clock::now());
  /// The part of step() that makes room, and needs none. True if something was removed. Errors as
  /// step().
  [[nodiscard]] HistoryResult<bool> remove_due(Clock::time_point now = Clock::now());
  /// Packs that readers need; superseded ones are not counted.
  [[nodiscard]] std::size_t pack_count() const noexcept { return packs_.size(); }

 private:
  struct Pack {
    std::string name;  // "pack-<hex>"
    std::uint64_t bytes = 0;
    bool untouchable = false;  // damaged, not whole, or not written by us
  };
  struct Obsolete {
    std::string name;
    Clock::time_point until;
    std::int64_t deadline = 0;  // the same as seconds since the epoch, for the next open()
  };

  [[nodiscard]] std::vector<std::string> choose() const;
  HistoryResult<void> merge(const std::vector<std::string>& names, Clock::time_point now);
  HistoryResult<void> write_obsolete();
  HistoryResult<bool> refresh_index(Clock::time_point now);
  HistoryResult<void> write_index(Clock::time_point now);

  RepositoryFiles& files_;
  ObjectStore& objects_;
  std::vector<Pack> packs_;  // oldest first, as far as known
  std::vector<Obsolete> obsolete_;
  std::size_t pack_memory_;
  bool index_stale_ = false;  // the multi-pack-index may name packs of obsolete_
  bool index_worth_ = false;  // packs were joined since it was written
  Clock::time_point index_due_{};
};

}  // namespace vxs::store
