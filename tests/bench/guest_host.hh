#pragma once
// A host's store as it is with many guests: their nodes, rings and watches.

#include <cstdint>
#include <vector>

#include "tests/bench/connection.hh"
#include "tests/bench/ring_connection.hh"

namespace vxs::bench {

inline constexpr unsigned kWatchesPerGuest = 10;

// Makes the domids 1..`domains` on the machine, 60 nodes each (sample_tree.hh) that the guest may
// read, introduces them, and lets each set ten watches. Throws BenchError.
[[nodiscard]] std::vector<RingConnection> make_guests(fakexen::Machine& machine,
                                                      Connection& toolstack, std::uint32_t domains);

}  // namespace vxs::bench
