#include "daemon/core/system_capture.hh"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

namespace vxs::daemon {

using store::SystemState;

namespace {

SystemState::WatchState as_state(const Watch& watch) noexcept {
  return {.depth = watch.depth, .relative = watch.hidden_prefix != 0, .number = watch.number};
}

}  // namespace

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

std::uint64_t SystemCapture::hash() const {
  std::map<ConnectionId, const Connection*> live;
  for (const auto& [id, connection] : connections_) {
    if (!has(id) && has_session(*connection)) live.emplace_hint(live.end(), id, connection.get());
  }
  store::SystemHash hash(state_, state_.connections.size() + live.size());
  auto rest = state_.connections.begin();
  const auto add_rest = [&](ConnectionId below) {
    for (; rest != state_.connections.end() && rest->first < below; ++rest) {
      const auto& session = rest->second;
      hash.add(rest->first, session.next_watch, session.frozen, session.watches.size());
      for (const auto& [key, watch] : session.watches) hash.add(key.first, key.second, watch);
    }
  };
  std::vector<const Watch*> watches;
  for (const auto& [id, connection] : live) {
    add_rest(id);
    watches.clear();
    for (const auto& [key, watch] : connection->watches) watches.push_back(&watch);
    std::sort(watches.begin(), watches.end(), [](const Watch* a, const Watch* b) {
      return std::tie(a->path, a->token) < std::tie(b->path, b->token);
    });
    hash.add(id, connection->next_watch, connection->frozen, watches.size());
    for (const Watch* watch : watches) hash.add(watch->path, watch->token, as_state(*watch));
  }
  add_rest(std::numeric_limits<ConnectionId>::max());
  return hash.end();
}

void SystemCapture::copy(const Connection& connection) {
  early_.insert(connection.id());
  if (!has_session(connection)) return;
  auto& session = state_.connections[connection.id()];
  session.frozen = connection.frozen;
  session.next_watch = connection.next_watch;
  for (const auto& [key, watch] : connection.watches) {
    session.watches.emplace(std::pair(watch.path, watch.token), as_state(watch));
  }
}

}  // namespace vxs::daemon
