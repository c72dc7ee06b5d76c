#include "daemon/core/domains.hh"

namespace vxs::daemon {

DomainRecord* Domains::record(DomId domid) {
  if (!incarnation(domid)) return nullptr;
  const auto [found, fresh] = records_.try_emplace(domid);
  if (fresh) found->second.quotas = globals_;
  return &found->second;
}

}  // namespace vxs::daemon
