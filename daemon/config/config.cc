#include "daemon/config/config.hh"

namespace vxs::config {

bool Config::keep_after_reboot(bool xen_present) const noexcept {
  switch (after_reboot) {
    case AfterReboot::kEmpty:
      return false;
    case AfterReboot::kKeep:
      return true;
    case AfterReboot::kAuto:
      break;
  }
  return !xen_present;
}

}  // namespace vxs::config
