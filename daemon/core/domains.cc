#include "daemon/core/domains.hh"

namespace vxs::daemon {

Domain& Domains::add(DomId domid) {
  Domain& domain = domains_[domid];
  domain.domid = domid;
  domain.quotas = configured_;
  return domain;
}

void Domains::remove(DomId domid) {
  const auto found = domains_.find(domid);
  if (found == domains_.end()) return;
  set_target(found->second, kDomIdInvalid);
  domains_.erase(found);
}

void Domains::set_target(Domain& stub, DomId target) {
  targets_.erase({stub.target, stub.domid});
  stub.target = target;
  if (target != kDomIdInvalid) targets_.emplace(target, stub.domid);
}

std::vector<DomId> Domains::stubs_of(DomId domid) const {
  std::vector<DomId> stubs;
  for (auto at = targets_.lower_bound({domid, 0}); at != targets_.end() && at->first == domid;
       ++at) {
    stubs.push_back(at->second);
  }
  return stubs;
}

std::vector<DomId> Domains::ids() const {
  std::vector<DomId> ids;
  ids.reserve(domains_.size());
  for (const auto& [domid, domain] : domains_) ids.push_back(domid);
  return ids;
}

}  // namespace vxs::daemon
