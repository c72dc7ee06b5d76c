#pragma once
// Sessions of N closed-loop clients running for a given time.

#include <functional>
#include <memory>

#include "tests/bench/script.hh"
#include "tests/bench/workload.hh"

namespace vxs::bench {

using ScriptFactory = std::function<std::unique_ptr<Script>(unsigned index)>;

struct ClosedLoop {
  ScriptFactory script;
  unsigned clients = 1;
  unsigned watches = 0;  // registered by ten other connections, matching nothing
};

[[nodiscard]] std::unique_ptr<Session> make_closed_loop(const ClosedLoop& what);

}  // namespace vxs::bench
