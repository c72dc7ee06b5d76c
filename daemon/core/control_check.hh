// CONTROL check: is the store what it says it is? (conformance H2)
#pragma once

#include "daemon/core/control.hh"

namespace vxs::daemon {

/// Walks the whole tree and compares it with what is kept beside it: node count, child-name sums,
/// permission lists, generations, watches. An immutable tree has no orphans to repair; a difference
/// is a defect of ours and is said in the reply and the log. "OK" if there is none.
[[nodiscard]] ControlResult check_store(Server& server);

}  // namespace vxs::daemon
