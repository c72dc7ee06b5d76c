// What the daemon asks of Xen: event channels, ring pages, and who exists. Narrow on
// purpose: xen_hypervisor.hh implements it over libxenevtchn, libxengnttab and libxenctrl, tests
// over values in memory. Design §6 (event channels) and §8.
//
// One thread, the loop's. Errors are errno values; none of the calls throws.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "protocol/ids.hh"

#include <tl/expected.hpp>

namespace vxs::daemon {

/// An event-channel port: ours ("local") or the other domain's ("remote").
using Port = std::uint32_t;

/// A domain as Xen knows it now.
struct DomainInfo {
  DomId domid = 0;
  std::array<std::uint8_t, 16> handle{};  ///< the UUID the toolstack gave it; all zero for dom0
  std::uint64_t unique_id = 0;            ///< of this life; 0 where Xen has none (before 4.21)
  bool shutdown = false;                  ///< shut down or crashed, not yet destroyed
  bool dying = false;                     ///< being destroyed: as good as gone (F7)
};

/// A mapped ring page, unmapped with its owner. Memory the guest writes at any moment: access only
/// through protocol/ring_page.hh.
class RingPage {
 public:
  virtual ~RingPage() = default;
  RingPage() = default;
  RingPage(const RingPage&) = delete;
  RingPage& operator=(const RingPage&) = delete;
  /// 4096 bytes, page-aligned.
  [[nodiscard]] virtual std::byte* bytes() noexcept = 0;
};

/// The store domain's own ring (A24).
struct OwnRing {
  std::unique_ptr<RingPage> page;
  Port remote_port = 0;
};

template <class T>
using HypervisorResult = tl::expected<T, int>;

class Hypervisor {
 public:
  virtual ~Hypervisor() = default;

  // --- event channels ----------------------------------------------------------
  /// Readable when a port of ours is pending.
  [[nodiscard]] virtual int event_fd() const noexcept = 0;
  /// The next pending port, masked until unmask(); nothing when none is left.
  [[nodiscard]] virtual std::optional<Port> next_pending() = 0;
  virtual void unmask(Port local) = 0;
  virtual void notify(Port local) = 0;
  /// The local port. A new binding is pending at once (A27). One that outlived the last daemon is
  /// taken up instead, unmasked.
  [[nodiscard]] virtual HypervisorResult<Port> bind_interdomain(DomId domid, Port remote) = 0;
  /// VIRQ_DOM_EXC: some domain shut down or died.
  [[nodiscard]] virtual HypervisorResult<Port> bind_domain_exception() = 0;
  virtual void unbind(Port local) = 0;

  /// Unbinds what the last daemon had bound, on a descriptor that outlived it (design §6), and this
  /// one did not bind again.
  virtual void drop_unclaimed() {}
  /// Of what was mapped and looked up before this program had its turn that of use which is true
  /// still: pages of domains that are in `now` the lives they were then, and whose rings the last
  /// daemon has not begun since (`unchanged`); event channels if `channels` says that it has begun
  /// none at all.
  virtual void trust_ahead([[maybe_unused]] std::span<const DomainInfo> now,
                           [[maybe_unused]] const std::function<bool(DomId)>& unchanged,
                           [[maybe_unused]] bool channels) {}

  // --- pages -------------------------------------------------------------------
  /// Grant reference 1 of the domain (A22).
  [[nodiscard]] virtual HypervisorResult<std::unique_ptr<RingPage>> map_ring(DomId domid) = 0;
  /// /proc/xen/xsd_kva and /proc/xen/xsd_port; not bound yet.
  [[nodiscard]] virtual HypervisorResult<OwnRing> map_own_ring() = 0;

  // --- domains -----------------------------------------------------------------
  /// Nothing if Xen does not know the domid.
  [[nodiscard]] virtual HypervisorResult<std::optional<DomainInfo>> domain(DomId domid) = 0;
  /// All of them, by ascending domid. For a VIRQ and for the start, never per request.
  [[nodiscard]] virtual HypervisorResult<std::vector<DomainInfo>> domains() = 0;
};

}  // namespace vxs::daemon
