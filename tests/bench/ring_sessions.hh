#pragma once
// Sessions in which guests speak over rings (the server is one with guests).

#include <memory>

#include "tests/bench/closed_loop.hh"
#include "tests/bench/workload.hh"

namespace vxs::bench {

// `guests` closed loops, a thread each, on nodes of their own; nothing else exists.
[[nodiscard]] std::unique_ptr<Session> make_ring_loop(const ScriptFactory& script, unsigned guests);

// One more VM start, as RingGuests::start() has it, beside `existing` guests that were started in
// the same way and are idle. An operation is a start.
[[nodiscard]] std::unique_ptr<Session> make_ring_vm_start(unsigned existing);

// The stop of VMs that were started beside `existing` guests: removal of their nodes, RELEASE,
// death. An operation is a stop.
[[nodiscard]] std::unique_ptr<Session> make_ring_vm_stop(unsigned existing);

// One guest's closed loop beside `existing` - 1 idle ones. `script` works on the guest's state
// node of its vif.
[[nodiscard]] std::unique_ptr<Session> make_ring_beside(const ScriptFactory& script,
                                                        unsigned existing);

}  // namespace vxs::bench
