#pragma once
// A large tree to recover: domains of 60 nodes each, as a VM with four network
// devices has them.

#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/connection.hh"

namespace vxs::bench {

inline constexpr std::uint64_t kNodesPerDomain = 60;

// The paths of a domain's leaves; writing them makes all its 60 nodes.
[[nodiscard]] std::vector<std::string> domain_leaves(std::uint64_t domid);

// Writes the leaves of the domids 1..`domains`, pipelined.
// Returns the number of WRITEs. Throws BenchError when one is refused.
std::uint64_t write_domains(Connection& connection, std::uint64_t domains);

// Writes `count` more values, one to a node of each domain in turn; the last
// one is `last_tail_value` at `last_tail_path`, for a check that all are there.
void write_tail(Connection& connection, std::uint64_t domains, std::uint64_t count);
[[nodiscard]] std::string last_tail_path(std::uint64_t domains, std::uint64_t count);
[[nodiscard]] std::string last_tail_value(std::uint64_t count);

}  // namespace vxs::bench
