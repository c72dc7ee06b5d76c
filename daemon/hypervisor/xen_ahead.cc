#include "daemon/hypervisor/xen_ahead.hh"

#include <utility>

#include "daemon/hypervisor/granted_page.hh"
#include "protocol/ring_page.hh"

namespace vxs::daemon {

std::unique_ptr<XenAhead> XenAhead::look(std::span<const DomId> introduced) {
  auto list = DomainList::open();
  if (!list) return nullptr;
  std::unique_ptr<XenAhead> ahead(new XenAhead(std::move(*list)));
  ahead->grants_ = open_grants();
  auto domains = ahead->list_.all();
  auto channels = ahead->list_.event_channels();
  if (!ahead->grants_ || !domains || !channels) return nullptr;
  ahead->domains_ = std::move(*domains);
  ahead->channels_ = std::move(*channels);
  for (const DomId domid : introduced) {
    auto page = map_granted(ahead->grants_, domid);
    if (!page) continue;
    // The first look at a page takes the kernel as long as the mapping.
    (void)protocol::RingPageView((*page)->bytes()).features();
    ahead->pages_.emplace(domid, std::move(*page));
  }
  return ahead;
}

}  // namespace vxs::daemon
