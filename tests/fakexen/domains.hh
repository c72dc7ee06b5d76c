// The domains the fake hypervisor tells of: those of the machine, and bare domids that exist
// without ring or event channel, for tests that need every domid known.
#pragma once

#include <cstdint>
#include <optional>

#include "tests/fakexen/machine.hh"

namespace vxs::fakexen {

// The known domain with the smallest domid that is not below `first`, nothing if there is none.
// Bare domids are listed in FAKEXEN_DOMAINS ("1,2,5-9"), which is read once, at the first call; the
// machine's own domains go before them. An unreadable list ends the process with a message on
// stderr: it can only be a mistake in a test. Domain 0 always exists.
std::optional<Domain> next_domain(uint32_t first);

}  // namespace vxs::fakexen
