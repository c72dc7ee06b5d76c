#pragma once
// Sessions that start and stop VMs over sockets, without rings.

#include <memory>

#include "tests/bench/workload.hh"

namespace vxs::bench {

// One client starts ten VMs, one after the other, beside `existing` others;
// they are removed again, unmeasured. An operation is one VM start.
[[nodiscard]] std::unique_ptr<Session> make_vm_start(unsigned existing);

// `vms` VMs are started at once, a connection each, retrying on EAGAIN, and
// then stopped at once. An operation is one start and one stop.
[[nodiscard]] std::unique_ptr<Session> make_parallel_start(unsigned vms);

}  // namespace vxs::bench
