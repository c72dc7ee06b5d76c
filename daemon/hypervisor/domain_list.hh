// Who exists, and what event channels we have, asked of libxenctrl. Only domain_list.cc includes
// xenctrl.h, whose interface is unstable between Xen's releases.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/hypervisor/hypervisor.hh"

#include <tl/expected.hpp>

struct xc_interface_core;

namespace vxs::daemon {

/// An event channel of the domain we run in, whoever of it has it: its kernel, or a program.
struct EventChannel {
  enum class Kind : std::uint8_t { kUnbound, kInterdomain, kVirq };
  Kind kind = Kind::kUnbound;
  Port local = 0;
  DomId domid = 0;  ///< at the other end
  Port remote = 0;  ///< kInterdomain
  std::uint32_t virq = 0;
};

/// One thread.
class DomainList {
 public:
  /// Errors: a clause that says what failed, where Xen is absent for example.
  [[nodiscard]] static tl::expected<DomainList, std::string> open();

  /// Nothing if Xen does not know the domid. Errors: an errno.
  [[nodiscard]] HypervisorResult<std::optional<DomainInfo>> one(DomId domid) const;
  /// All, by ascending domid. Errors: an errno.
  [[nodiscard]] HypervisorResult<std::vector<DomainInfo>> all() const;
  /// By ascending local port; a hypercall for each port there ever was. Errors: an errno.
  [[nodiscard]] HypervisorResult<std::vector<EventChannel>> event_channels() const;

 private:
  struct Close {
    void operator()(xc_interface_core* handle) const noexcept;
  };
  explicit DomainList(xc_interface_core* handle) : handle_(handle) {}

  std::unique_ptr<xc_interface_core, Close> handle_;
};

}  // namespace vxs::daemon
