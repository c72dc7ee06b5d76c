#pragma once
// The load over rings: a thread for each guest, each in a closed loop.

#include <chrono>
#include <memory>
#include <vector>

#include "tests/bench/generator.hh"
#include "tests/bench/ring_connection.hh"
#include "tests/bench/script.hh"

namespace vxs::bench {

struct RingClient {
  RingConnection connection;
  std::unique_ptr<Script> script;
};

// Runs every script until `duration` has passed; what began by then is finished. Throws BenchError
// when one of them does.
[[nodiscard]] LoadResult run_rings(std::vector<RingClient>& clients,
                                   std::chrono::nanoseconds duration);

}  // namespace vxs::bench
