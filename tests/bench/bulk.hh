#pragma once
// Pipelined requests on one connection, for building a state quickly before
// anything is measured.

#include <cstdint>
#include <functional>
#include <string>

#include "tests/bench/connection.hh"

namespace vxs::bench {

// Calls `next` for one request at a time (it appends it to the buffer it is
// given and returns true, or returns false at the end) with at most `window`
// unanswered, and waits for every reply. `on_reply` sees each reply, events
// excepted; by default an ERROR other than ENOENT and EEXIST throws BenchError.
// Returns the number of requests.
std::uint64_t run_pipelined(Connection& connection, const std::function<bool(std::string&)>& next,
                            const std::function<void(const Reply&)>& on_reply = {},
                            std::uint64_t window = 128);

// Throws BenchError unless `reply` is a success, or an ENOENT or EEXIST.
void require_harmless(const Reply& reply);

}  // namespace vxs::bench
