#include "daemon/core/watches_ahead.hh"

#include <algorithm>
#include <utility>

#include "daemon/core/watches.hh"

namespace vxs::daemon {

WatchesAhead::WatchesAhead(const store::SystemState& state) {
  for (const auto& [id, kept] : state.connections) {
    Session& session = sessions_.emplace_hint(sessions_.end(), id, Session{})->second;
    session.watches.reserve(kept.watches.size());
    session.in_order.reserve(kept.watches.size());
    for (const auto& [key, one] : kept.watches) {
      Watch watch;
      watch.path = key.first;
      watch.token = key.second;
      watch.depth = one.depth;
      watch.number = one.number;
      watch.hidden_prefix = one.relative ? 1 : 0;  // whose domain it is the taker knows
      Watch& made =
          session.watches.try_emplace(Watches::key(watch.path, watch.token), std::move(watch))
              .first->second;
      index_.add(made.path, made.depth, &made);
      session.in_order.push_back(&made);
    }
  }
}

bool still_true(const WatchesAhead::Session& made,
                const store::SystemState::ConnectionState& session) {
  return std::equal(made.in_order.begin(), made.in_order.end(), session.watches.begin(),
                    session.watches.end(), [](const Watch* watch, const auto& one) {
                      const auto& [key, kept] = one;
                      return watch->number == kept.number && watch->depth == kept.depth &&
                             (watch->hidden_prefix != 0) == kept.relative &&
                             watch->path == key.first && watch->token == key.second;
                    });
}

}  // namespace vxs::daemon
