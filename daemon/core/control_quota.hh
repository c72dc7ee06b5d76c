// CONTROL quota and quota-soft (conformance H2).
#pragma once

#include "daemon/core/control.hh"

namespace vxs::daemon {

/// No argument: the global values; "set <name> <n>" (n at least 1); "<domid>": a domain's values
/// (kNoent if unknown); "max [-r]": the highest values seen. Errors: kInval, kNoent.
[[nodiscard]] ControlResult control_quota(Server& server, ControlArgs args);
[[nodiscard]] ControlResult control_quota_soft(Server& server, ControlArgs args);

}  // namespace vxs::daemon
