// Seq -> commit for the newest commits of main: where a transaction's branch begins.
#pragma once

#include <cstddef>
#include <vector>

#include "protocol/ids.hh"
#include "store/history/object_store.hh"

namespace vxs::store {

struct MainCommit {
  Seq seq = 0;
  ObjectId commit;
  ObjectId tree;
  Seq first_seq = 0;  ///< of a folded commit's records; any other: seq
};

/// The newest kReach commits of main along first parents. After a restart it is
/// filled from the repository, only as far back as it is asked for, so that answers do
/// not depend on restarts.
class CommitWindow {
 public:
  static constexpr std::size_t kReach = 65536;

  explicit CommitWindow(ObjectStore& objects) : objects_(objects) {}

  /// Appends main's new head. A head with the Seq of the last one (a split) replaces it.
  void push(const MainCommit& head);
  /// The newest commit with a Seq of at most `seq`; the oldest within reach if all are newer.
  /// REQUIRES: !empty(). Error: kDamaged.
  struct Found : MainCommit {
    bool older = false;  ///< the next commit on main holds `seq` or an earlier one, folded
  };
  [[nodiscard]] HistoryResult<Found> find(Seq seq);
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }

 private:
  HistoryResult<bool> extend();
  /// The commit at `index`, of count_ by rising Seq.
  [[nodiscard]] MainCommit& at(std::size_t index) noexcept {
    return slots_[(first_ + index) & (slots_.size() - 1)];
  }
  void make_room();

  ObjectStore& objects_;
  // A ring in one block of a power of two. As many small ones, made between what each commit takes
  // and frees, it kept eight times its size of the heap from being given back.
  std::vector<MainCommit> slots_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  bool reached_root_ = false;
};

}  // namespace vxs::store
