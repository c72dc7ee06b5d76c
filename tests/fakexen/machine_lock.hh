// The machine's one lock, of use in machine*.cc only.
#pragma once

#include <cerrno>

#include "tests/fakexen/machine.hh"

namespace vxs::fakexen {

// A process that died with the lock left at most one domain or port half changed; each change is
// written so that what is half done reads as closed, unbound or dying.
class Machine::Lock {
 public:
  explicit Lock(MachineState& state) : mutex_(&state.mutex) {
    if (pthread_mutex_lock(mutex_) == EOWNERDEAD) pthread_mutex_consistent(mutex_);
  }
  ~Lock() { pthread_mutex_unlock(mutex_); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  pthread_mutex_t* mutex_;
};

}  // namespace vxs::fakexen
