// CONTROL quota and quota-soft (conformance H2).
#pragma once

#include "daemon/core/control.hh"

namespace vxs::daemon {

/// For `vxs quota`: what domains use of each resource, where their limits are, how often one
/// stopped them and when last. "[<domid>]": from this domid on, as many as fit a reply; "more
/// <domid>" says where to go on. Lines "key value…". Errors: kInval.
[[nodiscard]] ControlResult control_vxs_quota(Server& server, ControlArgs args);

/// No argument: the global values; "set <name> <n>" (n at least 1); "<domid>": a domain's values
/// and the highest it had (kNoent if unknown); "max [-r]": the highest values seen. Errors: kInval,
/// kNoent.
[[nodiscard]] ControlResult control_quota(Server& server, ControlArgs args);
[[nodiscard]] ControlResult control_quota_soft(Server& server, ControlArgs args);

}  // namespace vxs::daemon
