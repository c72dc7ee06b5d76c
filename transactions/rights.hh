// Who may do what to a node (conformance C9..C17, D8).
#pragma once

#include <cstdint>

#include "protocol/ids.hh"
#include "protocol/permissions.hh"
#include "store/perm_set.hh"

namespace vxs::transactions {

/// The party a request acts for. A plain value, built by the daemon from a
/// connection; socket connections are privileged when store and control domain are one (A4).
struct Caller {
  DomId domid = 0;
  Incarnation incarnation = 0;
  bool privileged = true;
  /// The guest a stub domain serves, kDomIdInvalid for none (SET_TARGET).
  DomId target = kDomIdInvalid;
  Incarnation target_incarnation = 0;
};

/// Bits of a right. kOwner comes with all others (C9).
enum Right : std::uint8_t {
  kRightNone = 0,
  kRightRead = 1,
  kRightWrite = 2,
  kRightOwner = 4,
  kRightAll = 7,
};
using Rights = std::uint8_t;

/// The rights `caller` has on a node with this list, by C9: privileged, all; owner (own id or
/// target's, of the same incarnation), all; else the first entry after the owner's that names the
/// caller, its target or DOMID_ANY and is not stale; else the owner entry's default bits.
[[nodiscard]] Rights rights_of(const Caller& caller, const store::PermSet& perms) noexcept;

}  // namespace vxs::transactions
