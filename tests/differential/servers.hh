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

// The same on a machine of their own, without guests at first.
StartServer stock_c_on_machine();
// A daemon that differs in what becomes of a dead domain's nodes (F9), and in nothing else.
StartServer stock_c_keeping_orphans_on_machine();
StartServer vxenstored_on_machine();

// And with quotas that random guests reach: the same limits for both.
StartServer stock_c_with_small_quotas();
StartServer vxenstored_with_small_quotas();

}  // namespace vxs::differential
