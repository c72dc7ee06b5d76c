// The part of libxenctrl that the stock daemons need to serve sockets.
extern "C" {
#include <xenctrl.h>
}

#include <cerrno>
#include <cstring>

#include "tests/fakexen/domains.hh"

namespace {

using vxs::fakexen::next_domain;

// Calls fill(domid, slot) for up to `max` known domains from `first` on and
// returns how many there were.
template <typename Info, typename Fill>
int list_domains(uint32_t first, unsigned int max, Info* info, Fill fill) {
  unsigned int count = 0;
  for (auto domid = next_domain(first); domid && count < max; domid = next_domain(*domid + 1)) {
    info[count] = Info{};
    fill(*domid, info[count]);
    ++count;
  }
  return static_cast<int>(count);
}

char handle_storage;

}  // namespace

extern "C" {

xc_interface* xc_interface_open(xentoollog_logger*, xentoollog_logger*, unsigned) {
  return reinterpret_cast<xc_interface*>(&handle_storage);
}

int xc_interface_close(xc_interface*) { return 0; }

int xc_domain_getinfo(xc_interface*, uint32_t first, unsigned int max, xc_dominfo_t* info) {
  const int count = list_domains(first, max, info, [](uint32_t domid, xc_dominfo_t& slot) {
    slot.domid = domid;
    slot.running = 1;
  });
  if (count == 0 && max > 0) {
    errno = ESRCH;
    return -1;
  }
  return count;
}

int xc_domain_getinfolist(xc_interface*, uint32_t first, unsigned int max, xc_domaininfo_t* info) {
  return list_domains(first, max, info, [](uint32_t domid, xc_domaininfo_t& slot) {
    slot.domain = static_cast<domid_t>(domid);
    slot.flags = XEN_DOMINF_running;
  });
}

// No guest page exists yet: the foreign mapping oxenstored asks for at
// INTRODUCE is refused.
void* xc_map_foreign_range(xc_interface*, uint32_t, int, int, unsigned long) {
  errno = EINVAL;
  return nullptr;
}

}  // extern "C"
