#include "daemon/core/state_trail.hh"

#include <utility>

namespace vxs::daemon {

StateTrail::Kept::Kept(Seq seq, const store::StateChange& change) : seq_(seq), change_(change) {
  const auto own = [](std::string_view& view, std::string& place) {
    place.assign(view);
    view = place;
  };
  if (auto* added = std::get_if<store::WatchAdded>(&change_)) {
    own(added->path, first_);
    own(added->token, second_);
  } else if (auto* removed = std::get_if<store::WatchRemoved>(&change_)) {
    own(removed->path, first_);
    own(removed->token, second_);
  } else if (auto* quota = std::get_if<store::QuotaSet>(&change_)) {
    own(quota->name, first_);
  }
}

void StateTrail::begin(store::SystemState safe) {
  safe_ = std::move(safe);
  waiting_.clear();
}

void StateTrail::release(Seq seq) {
  while (!waiting_.empty() && waiting_.front().seq() <= seq) {
    // What fitted the live state fits its own past.
    (void)safe_.apply(waiting_.front().change());
    waiting_.pop_front();
  }
}

std::deque<StateTrail::Kept> StateTrail::take_lost() { return std::exchange(waiting_, {}); }

}  // namespace vxs::daemon
