// The watches of a checkpoint, made before anybody may have them: by the new program of a live
// update, which has time then and none when its turn has come.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/core/connection.hh"
#include "daemon/watch/watch_index.hh"
#include "store/system_state.hh"

namespace vxs::daemon {

/// One thread. Goes to Watches::begin_with(); until a connection takes its session from there, its
/// watches have no connection.
class WatchesAhead {
 public:
  struct Session {
    std::unordered_map<std::string, Watch> watches;  ///< as Connection::watches
    std::vector<Watch*> in_order;                    ///< by path and token
  };

  explicit WatchesAhead(const store::SystemState& state);
  WatchesAhead(const WatchesAhead&) = delete;
  WatchesAhead& operator=(const WatchesAhead&) = delete;

  /// REQUIRES: the state has it.
  [[nodiscard]] const Session& session(ConnectionId id) const { return sessions_.at(id); }

 private:
  friend class Watches;

  WatchIndex index_;
  std::map<ConnectionId, Session> sessions_;
};

/// Whether `made` is of a session that has since stayed what it was, watch for watch.
[[nodiscard]] bool still_true(const WatchesAhead::Session& made,
                              const store::SystemState::ConnectionState& session);

}  // namespace vxs::daemon
