#include "daemon/process/xen_probe.hh"

#include <fcntl.h>

#include <array>

#include "daemon/process/descriptor.hh"

namespace vxs::process {
namespace {

/// The first device that opens; empty if none does.
std::string first_that_opens(std::span<const std::string> devices) {
  for (const std::string& device : devices) {
    if (const Descriptor opened(::open(device.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK)); opened) {
      return device;
    }
  }
  return {};
}

}  // namespace

std::span<const std::string> event_channel_devices() {
  static const std::array<std::string, 3> devices{"/dev/xen/evtchn", "/proc/xen/evtchn",
                                                  "/dev/evtchn"};
  return devices;
}

XenPresence find_xen(config::XenMode mode, std::span<const std::string> devices) {
  XenPresence found;
  if (mode == config::XenMode::kOff) {
    found.sentence = "--xen off: serving sockets only";
    return found;
  }
  if (mode == config::XenMode::kOn) {
    found.present = true;
    found.sentence = "--xen on: serving guests";
    return found;
  }
  const std::string device = first_that_opens(devices);
  found.present = !device.empty();
  if (found.present) {
    found.sentence = "Xen is here (" + device + " opens): serving guests";
  } else {
    found.sentence = "no event-channel device opens, so there is no Xen: serving sockets only";
  }
  return found;
}

}  // namespace vxs::process
