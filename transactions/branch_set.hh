// Keeps open branches from pinning memory (design §4): their bases are moved
// to the head, oldest first, when there are too many, when they pin too many bytes, or when
// they are some seconds old.
//
// A move replays what the branch was asked, which may be much more than what made it due: one
// guest's START must not make everybody wait for another's long transaction. So bases are moved at
// a steady pace, by a timer and never by a request; the limits are what this comes back to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <unordered_set>

#include "protocol/ids.hh"
#include "transactions/branch.hh"

namespace vxs::transactions {

struct PinLimits {
  std::size_t bases = 64;           ///< K: distinct versions held by branches
  std::size_t bytes = 16u << 20;    ///< pinned bytes at which bases are moved
  std::int64_t age_us = 5'000'000;  ///< age at which a base is moved
  /// Requests replayed in one call of enforce(). Where more than `bytes` is pinned, as many times
  /// more as that is exceeded.
  std::size_t operations_per_step = 2'000;
};

/// The open branches of a daemon, by base. Holds pointers; a branch is removed before it dies. One
/// thread.
class BranchSet {
 public:
  explicit BranchSet(PinLimits limits) : limits_(limits) {}

  void add(Branch& branch, std::int64_t now_us);
  void remove(Branch& branch);

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t bases() const noexcept { return groups_.size(); }

  /// Moves as many bases as the limits ask for, up to `operations_per_step` (one branch is never
  /// cut in two). Returns true if too many bytes are pinned still, though bases could be moved:
  /// call again soon. All else can wait for the next time.
  bool enforce(const Head& head, std::int64_t now_us);

  /// The head went back to `head.seq()`: branches of later versions begin again. They have executed
  /// nothing: no answer of theirs was released (daemon/core/outbox.hh).
  void restart_above(const Head& head, std::int64_t now_us);

 private:
  struct Group {
    std::int64_t opened_us = 0;  ///< when the oldest branch began here
    std::unordered_set<Branch*> branches;
  };
  [[nodiscard]] bool pins_too_much(const Head& head) const noexcept;
  [[nodiscard]] bool wants_move(const Head& head, std::int64_t now_us) const;
  [[nodiscard]] std::size_t step(const Head& head) const noexcept;

  PinLimits limits_;
  std::map<Seq, Group> groups_;
  std::size_t size_ = 0;
  /// Overlays cannot be moved away; the limit counts what came on top of them.
  std::size_t unmovable_bytes_ = 0;
};

}  // namespace vxs::transactions
