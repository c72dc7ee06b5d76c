// The state beside the tree as it was at the newest safe record, for journals that are not safe at
// once (design §5): what a rollback goes back to.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "protocol/ids.hh"
#include "store/state_change.hh"
#include "store/system_state.hh"

namespace vxs::daemon {

/// One thread.
class StateTrail {
 public:
  /// A change with its strings.
  class Kept {
   public:
    Kept(Seq seq, const store::StateChange& change);
    Kept(const Kept&) = delete;
    Kept& operator=(const Kept&) = delete;
    [[nodiscard]] Seq seq() const noexcept { return seq_; }
    [[nodiscard]] const store::StateChange& change() const noexcept { return change_; }

   private:
    Seq seq_;
    std::string first_;
    std::string second_;
    store::StateChange change_;
  };

  /// Everything up to now is safe.
  void begin(store::SystemState safe);
  /// A change was appended as record `seq`.
  void note(Seq seq, const store::StateChange& change) { waiting_.emplace_back(seq, change); }
  /// Records up to `seq` are safe.
  void release(Seq seq);
  /// The changes above the last release() are lost: they are forgotten here and handed out.
  [[nodiscard]] std::deque<Kept> take_lost();
  [[nodiscard]] const store::SystemState& safe() const noexcept { return safe_; }

 private:
  store::SystemState safe_;
  std::deque<Kept> waiting_;
};

}  // namespace vxs::daemon
