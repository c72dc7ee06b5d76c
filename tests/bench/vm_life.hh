#pragma once
// What a toolstack writes to start and to stop one VM: 3 vbd and 1 vif, in the
// manner of xapi's toolstack. A start is 123 requests on the wire in 6
// transactions, START and END included.

#include <cstddef>
#include <vector>

#include "tests/bench/block_script.hh"

namespace vxs::bench {

inline constexpr std::size_t kVmStartRequests = 123;

// (1) one transaction making the domain's directories, (2) one of 6 writes
// below the domain, (3) one for each device.
[[nodiscard]] std::vector<Block> vm_start_blocks(unsigned domid);

// One transaction asking for the shutdown, then the removal of devices and
// directories outside any transaction.
[[nodiscard]] std::vector<Block> vm_stop_blocks(unsigned domid);

}  // namespace vxs::bench
