// The state beside the tree, as changes: what a restarted daemon has to know of domains, their
// rings, their watches and quotas (design §1, §5). Each is one journal record (StateRecord) and
// one step of SystemState::apply() (store/system_state.hh).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "protocol/ids.hh"

namespace vxs::store {

/// A watch was registered. Keyed by (connection, path, token).
struct WatchAdded {
  ConnectionId connection = 0;
  std::string_view path{};  ///< canonical
  std::string_view token{};
  std::optional<std::uint32_t> depth{};
  bool relative = false;  ///< events show the path without /local/domain/<id>/ (D3)
  friend bool operator==(const WatchAdded&, const WatchAdded&) = default;
};

struct WatchRemoved {
  ConnectionId connection = 0;
  std::string_view path{};
  std::string_view token{};
  friend bool operator==(const WatchRemoved&, const WatchRemoved&) = default;
};

/// All watches of the connection are gone: RESET_WATCHES, re-INTRODUCE, freeze. Ends its
/// transactions too.
struct ConnectionReset {
  ConnectionId connection = 0;
  bool frozen = false;  ///< the ring is ignored from now on (A17), until a reset without it
  friend bool operator==(const ConnectionReset&, const ConnectionReset&) = default;
};

/// A domain's ring was introduced, or introduced again (then with the same connection).
struct DomainIntroduced {
  DomId domid = 0;
  Incarnation incarnation = 0;
  ConnectionId connection = 0;
  std::uint64_t gfn = 0;  ///< as INTRODUCE said; not used to map (A22)
  std::uint32_t remote_port = 0;
  friend bool operator==(const DomainIntroduced&, const DomainIntroduced&) = default;
};

/// A life of a domid is known to the daemon from now on (F1: by SET_PERMS, quota or feature
/// requests, or INTRODUCE), with what tells it from the next one. It ends the life before.
struct DomainKnown {
  DomId domid = 0;
  Incarnation incarnation = 0;            ///< given by the daemon or Xen, never 0 for a guest
  std::array<std::uint8_t, 16> handle{};  ///< Xen's UUID of it
  std::uint64_t unique_id = 0;            ///< Xen's, 0 where it has none
  friend bool operator==(const DomainKnown&, const DomainKnown&) = default;
};

/// Released, dead, or unknown to Xen: nothing of that life is kept.
struct DomainGone {
  DomId domid = 0;
  friend bool operator==(const DomainGone&, const DomainGone&) = default;
};

/// Shutdown was seen and told (F7), or forgotten again by RESUME (F13).
struct DomainShutdown {
  DomId domid = 0;
  bool seen = false;
  friend bool operator==(const DomainShutdown&, const DomainShutdown&) = default;
};

struct DomainTarget {
  DomId domid = 0;
  DomId target = kDomIdInvalid;
  friend bool operator==(const DomainTarget&, const DomainTarget&) = default;
};

struct DomainFeatures {
  DomId domid = 0;
  std::uint32_t features = 0;
  friend bool operator==(const DomainFeatures&, const DomainFeatures&) = default;
};

/// A quota of one domain, or the global value (SET_QUOTA, CONTROL quota set).
struct QuotaSet {
  std::optional<DomId> domid{};  ///< nothing: the global value
  std::string_view name{};       ///< as in GET_QUOTA
  std::uint32_t value = 0;       ///< 0: unlimited
  friend bool operator==(const QuotaSet&, const QuotaSet&) = default;
};

using StateChange =
    std::variant<WatchAdded, WatchRemoved, ConnectionReset, DomainKnown, DomainIntroduced,
                 DomainGone, DomainShutdown, DomainTarget, DomainFeatures, QuotaSet>;

}  // namespace vxs::store
