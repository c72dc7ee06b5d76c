#include "daemon/core/domains.hh"

namespace vxs::daemon {

Domain& Domains::add(DomId domid) {
  Domain& domain = domains_[domid];
  domain.domid = domid;
  domain.quotas = configured_;
  return domain;
}

std::vector<DomId> Domains::ids() const {
  std::vector<DomId> ids;
  ids.reserve(domains_.size());
  for (const auto& [domid, domain] : domains_) ids.push_back(domid);
  return ids;
}

}  // namespace vxs::daemon
