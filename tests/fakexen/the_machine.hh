// The machine this process is preloaded into.
#pragma once

#include <cerrno>

#include "tests/fakexen/machine.hh"

namespace vxs::fakexen {

// The machine in FAKEXEN_DIR, opened at the first call; null without the variable: no Xen here. A
// directory that cannot be used ends the process with a message: it can only be a mistake in a
// test.
Machine* the_machine();

// The domain this process runs in: FAKEXEN_DOMID, dom0 without it.
uint32_t the_domid();

// What a C function returns for a result: 0, or -1 with errno set.
inline int to_c(const Result<void>& result) {
  if (result) return 0;
  errno = result.error();
  return -1;
}
inline int to_c(const Result<Port>& result) {
  if (result) return static_cast<int>(*result);
  errno = result.error();
  return -1;
}

}  // namespace vxs::fakexen
