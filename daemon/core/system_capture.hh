// The sessions of all kept connections as they were at one moment, copied in pieces while requests
// go on: a hundred thousand watches at once would hold up everybody for tens of milliseconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>

#include "daemon/core/connection.hh"
#include "protocol/ids.hh"
#include "store/system_state.hh"

namespace vxs::daemon {

/// One thread. Whoever changes a session says so before (before_change()): it is copied then, if it
/// was not yet. Sessions are told from later ones by their numbers, which are never given twice.
class SystemCapture {
 public:
  using Connections = std::map<ConnectionId, std::unique_ptr<Connection>>;

  /// `connections` outlives this object.
  explicit SystemCapture(const Connections& connections) : connections_(connections) {}

  /// The moment. `rest` is the state without those sessions; `not_here` are numbers below `end`
  /// whose sessions are in it, or nowhere, whatever connection gets them later. One that runs is
  /// given up.
  void begin(store::SystemState rest, std::set<ConnectionId> not_here, ConnectionId end);
  [[nodiscard]] bool running() const noexcept { return running_; }
  /// Copies sessions until about `watches` watches were copied (a session's come together). True
  /// once it has all. REQUIRES running().
  [[nodiscard]] bool gather(std::size_t watches);
  /// The whole state, after gather() was true; not running() any more.
  [[nodiscard]] store::SystemState take();
  void cancel();
  /// store::state_hash() of what take() would return, with nothing copied: for whoever makes others
  /// wait. REQUIRES running(), and no gather() yet.
  [[nodiscard]] std::uint64_t hash() const;

  /// Watches, `frozen` or `next_watch` of `connection` are about to change, or it is about to go.
  void before_change(const Connection& connection) {
    if (running_ && !has(connection.id())) copy(connection);
  }

 private:
  [[nodiscard]] bool has(ConnectionId id) const {
    return id < next_ || id >= end_ || early_.contains(id);
  }
  void copy(const Connection& connection);
  [[nodiscard]] static bool has_session(const Connection& connection) noexcept {
    return connection.peer().kept && (!connection.watches.empty() || connection.frozen);
  }

  const Connections& connections_;
  store::SystemState state_;
  bool running_ = false;
  ConnectionId next_ = 0;         ///< all below are copied
  ConnectionId end_ = 0;          ///< this one and all above came later
  std::set<ConnectionId> early_;  ///< between the two, and copied already
};

}  // namespace vxs::daemon
