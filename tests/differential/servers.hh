// The daemons that take part.
#pragma once

#include "tests/differential/lockstep.hh"

namespace vxs::differential {

// The packaged C xenstored with every domid known, as vxenstored has it
// without Xen (design section 8).
StartServer stock_c();
// The packaged oxenstored, likewise: known to differ in many items.
StartServer stock_ocaml();
// The vxenstored of this build, `--xen off`.
StartServer vxenstored();

}  // namespace vxs::differential
