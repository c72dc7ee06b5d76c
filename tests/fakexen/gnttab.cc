// libxengnttab for a host on which no domain has granted a page.
#include <cerrno>

extern "C" {
#include <xengnttab.h>
}

namespace {
char handle_storage;
}

extern "C" {

xengnttab_handle* xengnttab_open(xentoollog_logger*, unsigned) {
  return reinterpret_cast<xengnttab_handle*>(&handle_storage);
}

int xengnttab_close(xengnttab_handle*) { return 0; }

int xengnttab_set_max_grants(xengnttab_handle*, uint32_t) { return 0; }

void* xengnttab_map_grant_ref(xengnttab_handle*, uint32_t, uint32_t, int) {
  errno = EINVAL;
  return nullptr;
}

int xengnttab_unmap(xengnttab_handle*, void*, uint32_t) {
  errno = EINVAL;
  return -1;
}

}  // extern "C"
