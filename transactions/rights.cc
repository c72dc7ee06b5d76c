#include "transactions/rights.hh"

namespace vxs::transactions {
namespace {

bool names(const protocol::PermEntry& entry, DomId domid, Incarnation incarnation) noexcept {
  return entry.domid == domid && entry.incarnation == incarnation;
}

bool names_caller(const protocol::PermEntry& entry, const Caller& caller) noexcept {
  return names(entry, caller.domid, caller.incarnation) ||
         (caller.target != kDomIdInvalid && names(entry, caller.target, caller.target_incarnation));
}

}  // namespace

Rights rights_of(const Caller& caller, const store::PermSet& perms) noexcept {
  if (caller.privileged) return kRightAll;
  const auto entries = perms.entries();
  if (names_caller(entries.front(), caller)) return kRightAll;
  for (const auto& entry : entries.subspan(1)) {
    // DOMID_ANY is no domain that could die: it has no incarnation to match.
    if (names_caller(entry, caller) || entry.domid == kDomIdAny) {
      return static_cast<Rights>(entry.access);
    }
  }
  return static_cast<Rights>(entries.front().access);
}

}  // namespace vxs::transactions
