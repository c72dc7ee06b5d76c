// Ring pages by grant. Only of use to the door to Xen.
#pragma once

#include <memory>

#include "daemon/hypervisor/hypervisor.hh"

struct xengntdev_handle;

namespace vxs::daemon {

/// The grant device, with room for a ring of every domain there can be (A26). nullptr: errno says
/// why.
[[nodiscard]] std::shared_ptr<xengntdev_handle> open_grants();

/// Grant reference 1 of the domain (A22), as long as the page lives. Errors: an errno.
[[nodiscard]] HypervisorResult<std::unique_ptr<RingPage>> map_granted(
    const std::shared_ptr<xengntdev_handle>& grants, DomId domid);

}  // namespace vxs::daemon
