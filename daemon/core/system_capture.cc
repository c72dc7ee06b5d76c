#include "daemon/core/system_capture.hh"

#include <utility>

namespace vxs::daemon {

using store::SystemState;

void SystemCapture::begin(SystemState rest, std::set<ConnectionId> not_here, ConnectionId end) {
  state_ = std::move(rest);
  early_ = std::move(not_here);
  next_ = 0;
  end_ = end;
  running_ = true;
}

bool SystemCapture::gather(std::size_t watches) {
  std::size_t copied = 0;
  auto at = connections_.lower_bound(next_);
  for (; at != connections_.end() && at->first < end_ && copied < watches; ++at) {
    ++copied;  // one without watches costs something, too
    if (early_.contains(at->first)) continue;
    copied += at->second->watches.size();
    copy(*at->second);
  }
  const bool done = at == connections_.end() || at->first >= end_;
  next_ = done ? end_ : at->first;
  return done;
}

SystemState SystemCapture::take() {
  running_ = false;
  early_.clear();
  return std::exchange(state_, {});
}

void SystemCapture::cancel() {
  if (running_) (void)take();
}

void SystemCapture::copy(const Connection& connection) {
  early_.insert(connection.id());
  const bool has_session = !connection.watches.empty() || connection.frozen;
  if (!connection.peer().kept || !has_session) return;
  auto& session = state_.connections[connection.id()];
  session.frozen = connection.frozen;
  session.next_watch = connection.next_watch;
  for (const auto& [key, watch] : connection.watches) {
    session.watches.emplace(
        std::pair(watch.path, watch.token),
        SystemState::WatchState{
            .depth = watch.depth, .relative = watch.hidden_prefix != 0, .number = watch.number});
  }
}

}  // namespace vxs::daemon
