// Who exists, asked of libxenctrl. Only domain_list.cc includes xenctrl.h, whose interface is
// unstable between Xen's releases.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/hypervisor/hypervisor.hh"

#include <tl/expected.hpp>

struct xc_interface_core;

namespace vxs::daemon {

/// One thread.
class DomainList {
 public:
  /// Errors: a clause that says what failed, where Xen is absent for example.
  [[nodiscard]] static tl::expected<DomainList, std::string> open();

  /// Nothing if Xen does not know the domid. Errors: an errno.
  [[nodiscard]] HypervisorResult<std::optional<DomainInfo>> one(DomId domid) const;
  /// All, by ascending domid. Errors: an errno.
  [[nodiscard]] HypervisorResult<std::vector<DomainInfo>> all() const;

 private:
  struct Close {
    void operator()(xc_interface_core* handle) const noexcept;
  };
  explicit DomainList(xc_interface_core* handle) : handle_(handle) {}

  std::unique_ptr<xc_interface_core, Close> handle_;
};

}  // namespace vxs::daemon
