// libxengnttab over the fake machine: grant 1 of a domain is its ring page.
#include <cerrno>
#include <map>
#include <memory>
#include <mutex>

#include "tests/fakexen/the_machine.hh"

extern "C" {
#include <xengnttab.h>
}

namespace {
constexpr uint32_t kXenstoreGrant = 1;  // GNTTAB_RESERVED_XENSTORE
}

struct xengntdev_handle {
  std::mutex mutex;
  std::map<void*, uint32_t> pages;  // and whose they are
};

namespace {

using vxs::fakexen::the_machine;

// Whether another mapping of the domain's page is left.
bool maps(const xengnttab_handle& handle, uint32_t domid) {
  for (const auto& [page, owner] : handle.pages) {
    if (owner == domid) return true;
  }
  return false;
}

}  // namespace

extern "C" {

xengnttab_handle* xengnttab_open(xentoollog_logger*, unsigned) {
  if (the_machine() == nullptr) {
    errno = ENOENT;
    return nullptr;
  }
  return std::make_unique<xengnttab_handle>().release();
}

int xengnttab_close(xengnttab_handle* handle) {
  const std::unique_ptr<xengnttab_handle> owned(handle);
  return 0;  // the mappings stay, as the device's do
}

int xengnttab_set_max_grants(xengnttab_handle*, uint32_t) { return 0; }

void* xengnttab_map_grant_ref(xengnttab_handle* handle, uint32_t domid, uint32_t reference, int) {
  if (reference != kXenstoreGrant) {
    errno = EINVAL;
    return nullptr;
  }
  const std::lock_guard guard(handle->mutex);
  const auto page = the_machine()->map_page(domid, true);
  if (!page) {
    errno = page.error();
    return nullptr;
  }
  handle->pages[*page] = domid;
  return *page;
}

int xengnttab_unmap(xengnttab_handle* handle, void* start, uint32_t count) {
  const std::lock_guard guard(handle->mutex);
  const auto found = handle->pages.find(start);
  if (found == handle->pages.end() || count != 1) {
    errno = EINVAL;
    return -1;
  }
  const uint32_t domid = found->second;
  handle->pages.erase(found);
  if (maps(*handle, domid)) {
    the_machine()->unmap_page(start, std::nullopt);
  } else {
    the_machine()->unmap_page(start, domid);
  }
  return 0;
}

}  // extern "C"
