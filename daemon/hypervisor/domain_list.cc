#include "daemon/hypervisor/domain_list.hh"

#include <algorithm>
#include <cerrno>
#include <cstring>

extern "C" {
#include <xenctrl.h>
}

namespace vxs::daemon {
namespace {

/// No domain has more ports (2^17, of the FIFO interface).
constexpr Port kMaxPorts = 1U << 17;

/// Domains asked for in one hypercall.
constexpr unsigned kBatch = 256;

DomainInfo translate(const xc_domaininfo_t& from) {
  DomainInfo info;
  info.domid = from.domain;
  static_assert(sizeof from.handle == sizeof info.handle);
  std::memcpy(info.handle.data(), from.handle, sizeof from.handle);
  info.shutdown = (from.flags & XEN_DOMINF_shutdown) != 0;
  info.dying = (from.flags & XEN_DOMINF_dying) != 0;
  return info;
}

}  // namespace

void DomainList::Close::operator()(xc_interface_core* handle) const noexcept {
  (void)xc_interface_close(handle);
}

tl::expected<DomainList, std::string> DomainList::open() {
  xc_interface* const handle = xc_interface_open(nullptr, nullptr, 0);
  if (handle == nullptr) {
    return tl::unexpected(std::string("xc_interface_open: ") + std::strerror(errno));
  }
  return DomainList(handle);
}

HypervisorResult<std::optional<DomainInfo>> DomainList::one(DomId domid) const {
  xc_domaininfo_t info{};
  const int count = xc_domain_getinfolist(handle_.get(), domid, 1, &info);
  // The call answers with the first domain from `domid` on, which may be a later one.
  if (count == 1 && info.domain == domid) return translate(info);
  if (count < 0 && errno != ESRCH) return tl::unexpected(errno);
  return std::nullopt;
}

HypervisorResult<std::vector<DomainInfo>> DomainList::all() const {
  std::vector<DomainInfo> domains;
  std::vector<xc_domaininfo_t> batch(kBatch);
  std::uint32_t next = 0;
  while (next < kDomIdFirstReserved) {
    const int count = xc_domain_getinfolist(handle_.get(), next, kBatch, batch.data());
    if (count < 0 && errno != ESRCH) return tl::unexpected(errno);
    if (count <= 0) break;
    const auto end = batch.begin() + std::min(count, static_cast<int>(kBatch));
    std::transform(batch.begin(), end, std::back_inserter(domains), translate);
    if (count < static_cast<int>(kBatch)) break;
    next = std::uint32_t{domains.back().domid} + 1;
  }
  return domains;
}

HypervisorResult<std::vector<EventChannel>> DomainList::event_channels() const {
  std::vector<EventChannel> channels;
  for (Port port = 1; port < kMaxPorts; ++port) {
    xc_evtchn_status_t status{};
    status.dom = DOMID_SELF;
    status.port = port;
    if (xc_evtchn_status(handle_.get(), &status) != 0) {
      if (errno == EINVAL) break;  // there are no more
      return tl::unexpected(errno);
    }
    EventChannel channel{.local = port};
    switch (status.status) {
      case EVTCHNSTAT_unbound:
        channel.domid = status.u.unbound.dom;
        break;
      case EVTCHNSTAT_interdomain:
        channel.kind = EventChannel::Kind::kInterdomain;
        channel.domid = status.u.interdomain.dom;
        channel.remote = status.u.interdomain.port;
        break;
      case EVTCHNSTAT_virq:
        channel.kind = EventChannel::Kind::kVirq;
        channel.virq = status.u.virq;
        break;
      default:
        continue;
    }
    channels.push_back(channel);
  }
  return channels;
}

}  // namespace vxs::daemon
