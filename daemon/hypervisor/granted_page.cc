#include "daemon/hypervisor/granted_page.hh"

#include <sys/mman.h>

#include <cerrno>
#include <utility>

extern "C" {
#include <xen/grant_table.h>
#include <xengnttab.h>
}

namespace vxs::daemon {
namespace {

class GrantedPage final : public RingPage {
 public:
  GrantedPage(std::shared_ptr<xengntdev_handle> grants, void* page) noexcept
      : grants_(std::move(grants)), page_(page) {}
  ~GrantedPage() override { (void)xengnttab_unmap(grants_.get(), page_, 1); }
  [[nodiscard]] std::byte* bytes() noexcept override { return static_cast<std::byte*>(page_); }

 private:
  std::shared_ptr<xengntdev_handle> grants_;
  void* page_;
};

}  // namespace

std::shared_ptr<xengntdev_handle> open_grants() {
  xengntdev_handle* const grants = xengnttab_open(nullptr, 0);
  if (grants == nullptr) return nullptr;
  std::shared_ptr<xengntdev_handle> owned(
      grants, [](xengntdev_handle* handle) { (void)xengnttab_close(handle); });
  // Kernels without a limit refuse to set one.
  (void)xengnttab_set_max_grants(grants, kDomIdFirstReserved);
  return owned;
}

HypervisorResult<std::unique_ptr<RingPage>> map_granted(
    const std::shared_ptr<xengntdev_handle>& grants, DomId domid) {
  void* const page = xengnttab_map_grant_ref(grants.get(), domid, GNTTAB_RESERVED_XENSTORE,
                                             PROT_READ | PROT_WRITE);
  if (page == nullptr) return tl::unexpected(errno);
  return std::make_unique<GrantedPage>(grants, page);
}

}  // namespace vxs::daemon
