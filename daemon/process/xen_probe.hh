// Is there a hypervisor to serve guests of (--xen)?
#pragma once

#include <span>
#include <string>
#include <vector>

#include "daemon/config/config.hh"
#include "daemon/process/start_error.hh"

namespace vxs::process {

/// What was found out, and what the log is to say about it.
struct XenPresence {
  bool present = false;  ///< an event-channel device opens
  std::string sentence;  ///< one clear line; never empty
  bool warning = false;  ///< the line is a warning, not information
};

/// The event-channel devices of Linux, newest name first, and of the BSDs.
[[nodiscard]] std::span<const std::string> event_channel_devices();

/// Tries to open the devices and decides by `mode`. kOff does not look: present is false. kAuto
/// always succeeds. kOn is an error with or without a device, as long as rings are not served.
[[nodiscard]] StartResult<XenPresence> find_xen(
    config::XenMode mode, std::span<const std::string> devices = event_channel_devices());

}  // namespace vxs::process
