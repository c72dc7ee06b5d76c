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
  bool present = false;  ///< guests are to be served
  std::string sentence;  ///< one clear line; never empty
};

/// The event-channel devices of Linux, newest name first, and of the BSDs.
[[nodiscard]] std::span<const std::string> event_channel_devices();

/// Decides by `mode`: kOff and kOn do not look, kAuto tries to open the devices. Whether the
/// hypervisor lets us serve guests is found out by opening it for good.
[[nodiscard]] XenPresence find_xen(config::XenMode mode,
                                   std::span<const std::string> devices = event_channel_devices());

}  // namespace vxs::process
