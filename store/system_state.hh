// The state beside the tree as values: what recovery rebuilds from checkpoint and records, and
// what a checkpoint writes. The daemon's live objects (Domains, Watches) are made from it at start
// and captured into it for a checkpoint; a test holds the two against each other.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "protocol/ids.hh"
#include "store/state_change.hh"

namespace vxs::store {

/// A plain value; one thread.
struct SystemState {
  struct WatchState {
    std::optional<std::uint32_t> depth;
    bool relative = false;
    std::uint64_t number = 0;  ///< order of registration within the connection (D10)
    friend bool operator==(const WatchState&, const WatchState&) = default;
  };
  struct ConnectionState {
    /// By canonical path and token.
    std::map<std::pair<std::string, std::string>, WatchState> watches;
    std::uint64_t next_watch = 0;
    bool frozen = false;
    friend bool operator==(const ConnectionState&, const ConnectionState&) = default;
  };
  struct DomainState {
    Incarnation incarnation = 0;
    std::array<std::uint8_t, 16> handle{};
    std::uint64_t unique_id = 0;
    bool introduced = false;
    ConnectionId connection = 0;  ///< of its ring, if introduced
    std::uint64_t gfn = 0;
    std::uint32_t remote_port = 0;
    bool shutdown_seen = false;
    DomId target = kDomIdInvalid;
    std::optional<std::uint32_t> features;        ///< nothing: what the daemon offers
    std::map<std::string, std::uint32_t> quotas;  ///< set for this domain, by GET_QUOTA name
    friend bool operator==(const DomainState&, const DomainState&) = default;
  };

  std::map<DomId, DomainState> domains;
  std::map<ConnectionId, ConnectionState> connections;
  std::map<std::string, std::uint32_t> global_quotas;  ///< set at run time, by GET_QUOTA name

  /// Applies one change. False if it does not fit (an unknown domain, a watch twice): the record
  /// is damage then, and nothing was changed.
  [[nodiscard]] bool apply(const StateChange& change);

  friend bool operator==(const SystemState&, const SystemState&) = default;
};

/// Equal for equal states, and by accident only for others (store/state_mix.hh). What
/// Tree::state_hash() is for the tree.
[[nodiscard]] std::uint64_t state_hash(const SystemState& state) noexcept;

/// The same of a state whose sessions lie elsewhere: each connection by ascending number, and after
/// it its watches by path and token.
class SystemHash {
 public:
  /// `rest` has what is no session; its connections do not count. `connections` will come.
  SystemHash(const SystemState& rest, std::size_t connections) noexcept;
  void add(ConnectionId id, std::uint64_t next_watch, bool frozen, std::size_t watches) noexcept;
  void add(std::string_view path, std::string_view token,
           const SystemState::WatchState& watch) noexcept;
  [[nodiscard]] std::uint64_t end() const noexcept;

 private:
  const SystemState& rest_;
  std::uint64_t hash_;
};

}  // namespace vxs::store
