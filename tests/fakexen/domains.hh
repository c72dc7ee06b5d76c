// The domains the fake hypervisor knows.
#pragma once

#include <cstdint>
#include <optional>

namespace vxs::fakexen {

// The smallest known domid that is not below `first`, nothing if there is none.
// Domain 0 always exists; the others are listed in FAKEXEN_DOMAINS ("1,2,5-9"),
// which is read once, at the first call. An unreadable list ends the process
// with a message on stderr: it can only be a mistake in a test.
std::optional<uint32_t> next_domain(uint32_t first);

}  // namespace vxs::fakexen
