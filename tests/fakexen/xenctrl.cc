// The part of libxenctrl that a Xenstore daemon needs: who exists, the state of an event channel,
// and the foreign mapping oxenstored makes of a ring page.
extern "C" {
#include <xenctrl.h>
}

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tests/fakexen/domains.hh"
#include "tests/fakexen/the_machine.hh"

namespace {

using vxs::fakexen::Domain;
using vxs::fakexen::next_domain;
using vxs::fakexen::the_domid;
using vxs::fakexen::the_machine;

// Calls fill(domain, slot) for up to `max` known domains from `first` on and returns how many there
// were.
template <typename Info, typename Fill>
int list_domains(uint32_t first, unsigned int max, Info* info, Fill fill) {
  unsigned int count = 0;
  for (auto domain = next_domain(first); domain && count < max;
       domain = next_domain(domain->domid + 1)) {
    info[count] = Info{};
    fill(*domain, info[count]);
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
  const int count = list_domains(first, max, info, [](const Domain& domain, xc_dominfo_t& slot) {
    slot.domid = domain.domid;
    slot.dying = domain.dying ? 1 : 0;
    // A crash is told apart from any other shutdown here, and not in the flags below.
    const bool crashed = domain.shutdown && domain.reason == SHUTDOWN_crash;
    slot.crashed = crashed ? 1 : 0;
    slot.shutdown = domain.shutdown && !crashed ? 1 : 0;
    slot.running = domain.shutdown || domain.dying ? 0 : 1;
    slot.shutdown_reason = domain.reason;
    std::copy(domain.handle.begin(), domain.handle.end(), slot.handle);
  });
  if (count == 0 && max > 0) {
    errno = ESRCH;
    return -1;
  }
  return count;
}

int xc_domain_getinfolist(xc_interface*, uint32_t first, unsigned int max, xc_domaininfo_t* info) {
  return list_domains(first, max, info, [](const Domain& domain, xc_domaininfo_t& slot) {
    slot.domain = static_cast<domid_t>(domain.domid);
    if (domain.dying) slot.flags |= XEN_DOMINF_dying;
    if (domain.shutdown) {
      slot.flags |= XEN_DOMINF_shutdown | (domain.reason & XEN_DOMINF_shutdownmask)
                                              << XEN_DOMINF_shutdownshift;
    }
    if (!domain.dying && !domain.shutdown) slot.flags |= XEN_DOMINF_running;
    std::copy(domain.handle.begin(), domain.handle.end(), slot.handle);
  });
}

int xc_evtchn_status(xc_interface*, xc_evtchn_status_t* status) {
  if (the_machine() == nullptr) {
    errno = ENOSYS;
    return -1;
  }
  const uint32_t domid = status->dom == DOMID_SELF ? the_domid() : status->dom;
  const auto found = the_machine()->port_status(domid, status->port);
  if (!found) {
    errno = found.error();
    return -1;
  }
  status->status = found->kind;
  status->vcpu = 0;
  const auto remote = static_cast<domid_t>(found->remote_domid);
  if (found->kind == vxs::fakexen::kUnbound) status->u.unbound.dom = remote;
  if (found->kind == vxs::fakexen::kVirq) status->u.virq = found->virq;
  if (found->kind == vxs::fakexen::kInterdomain) {
    status->u.interdomain.dom = remote;
    status->u.interdomain.port = found->remote_port;
  }
  return 0;
}

// What oxenstored asks for at INTRODUCE, with the frame the request named. It unmaps with munmap,
// so this mapping does not keep a dying domain.
void* xc_map_foreign_range(xc_interface*, uint32_t domid, int size, int, unsigned long frame) {
  const bool ring = size == static_cast<int>(vxs::fakexen::kPageSize) &&
                    frame == vxs::fakexen::kStoreGfn && the_machine() != nullptr;
  const auto page = ring ? the_machine()->map_page(domid, false) : tl::unexpected(EINVAL);
  if (page) return *page;
  errno = page.error();
  return nullptr;
}

}  // extern "C"
