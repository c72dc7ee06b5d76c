// What the host calls itself.
#pragma once

#include <string>

namespace vxs::daemon {

/// /proc/sys/kernel/random/boot_id, or "unknown".
[[nodiscard]] std::string boot_id();
/// gethostname(), or "localhost".
[[nodiscard]] std::string host_name();
[[nodiscard]] int process_id();

}  // namespace vxs::daemon
