// What the new program of a live update asks of Xen while the old one still serves: who there is,
// which event channels, and the pages of rings. All of it by reading. What became of it until its
// turn has come is found out then (XenHypervisor::trust_ahead()).
#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "daemon/hypervisor/domain_list.hh"
#include "daemon/hypervisor/hypervisor.hh"

struct xengntdev_handle;

namespace vxs::daemon {

/// One thread. Goes to XenHypervisor::open(). A domain that dies meanwhile is not gone before its
/// page here is.
class XenAhead {
 public:
  /// Maps the rings of those of `introduced` that can be. nullptr: Xen does not answer, as it will
  /// not when it is opened.
  [[nodiscard]] static std::unique_ptr<XenAhead> look(std::span<const DomId> introduced);

 private:
  friend class XenHypervisor;

  explicit XenAhead(DomainList list) : list_(std::move(list)) {}

  std::shared_ptr<xengntdev_handle> grants_;
  DomainList list_;
  std::vector<DomainInfo> domains_;  ///< before anything was mapped
  std::map<DomId, std::unique_ptr<RingPage>> pages_;
  std::vector<EventChannel> channels_;
};

}  // namespace vxs::daemon
