// Xen itself, through libxenevtchn, libxengnttab and libxenctrl (4.17). Design §6, §8.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "daemon/hypervisor/domain_list.hh"
#include "daemon/hypervisor/hypervisor.hh"
#include "daemon/hypervisor/xen_ahead.hh"
#include "daemon/process/descriptor.hh"

#include <tl/expected.hpp>

struct xenevtchn_handle;
struct xengntdev_handle;

namespace vxs::daemon {

/// The name of Hypervisor::event_fd() at the supervisor.
inline constexpr const char* kEventsName = "evtchn";

/// Nothing if `fd` is an open event-channel device; else what is wrong with it, for the operator.
/// It stays the caller's, and what is bound with it stays so.
[[nodiscard]] std::optional<std::string> check_event_device(int fd);

/// One thread, the loop's.
class XenHypervisor final : public Hypervisor {
 public:
  /// Where Linux in dom0 says how to reach the kernel (A24).
  struct Paths {
    std::string own_page = "/proc/xen/xsd_kva";
    std::string own_port = "/proc/xen/xsd_port";
    Port port = 0;  ///< instead of what own_port holds, unless 0 (-e)
  };

  /// `events`: the event_fd() of a daemon that died, kept open by somebody meanwhile, and with it
  /// all that was bound; none: the device is opened. Errors: a sentence for the operator; where Xen
  /// is absent, or we may not talk to it. `ahead`: what was found before `events` came; not
  /// believed before trust_ahead(), and without that not at all.
  [[nodiscard]] static tl::expected<std::unique_ptr<XenHypervisor>, std::string> open(
      Paths paths, process::Descriptor events = {}, std::unique_ptr<XenAhead> ahead = nullptr);

  [[nodiscard]] int event_fd() const noexcept override;
  [[nodiscard]] std::optional<Port> next_pending() override;
  void unmask(Port local) override;
  void notify(Port local) override;
  [[nodiscard]] HypervisorResult<Port> bind_interdomain(DomId domid, Port remote) override;
  [[nodiscard]] HypervisorResult<Port> bind_domain_exception() override;
  void unbind(Port local) override;
  void drop_unclaimed() override;
  void trust_ahead(std::span<const DomainInfo> now, const std::function<bool(DomId)>& unchanged,
                   bool channels) override;

  /// The page keeps what it needs alive; it may outlive this object.
  [[nodiscard]] HypervisorResult<std::unique_ptr<RingPage>> map_ring(DomId domid) override;
  /// Errors also: EINVAL if the port's file holds no port number.
  [[nodiscard]] HypervisorResult<OwnRing> map_own_ring() override;

  [[nodiscard]] HypervisorResult<std::optional<DomainInfo>> domain(DomId domid) override;
  [[nodiscard]] HypervisorResult<std::vector<DomainInfo>> domains() override;

 private:
  struct CloseEvents {
    void operator()(xenevtchn_handle* handle) const noexcept;
  };
  using Events = std::unique_ptr<xenevtchn_handle, CloseEvents>;

  XenHypervisor(Paths paths, Events events, std::shared_ptr<xengntdev_handle> grants,
                DomainList list);
  /// The one with that other end which an inherited descriptor brought, unmasked; it is claimed
  /// then. Nothing: there is none. Errors: EIO, Xen does not say.
  template <class Match>
  [[nodiscard]] HypervisorResult<std::optional<Port>> claim(DomId domid, const Match& match);
  [[nodiscard]] bool is_ours(Port local);
  void set_unclaimed(const std::vector<EventChannel>& channels);
  [[nodiscard]] HypervisorResult<void> look_for_channels();

  Paths paths_;
  Events events_;
  std::shared_ptr<xengntdev_handle> grants_;
  DomainList list_;
  /// By the other end: those of all the domain we run in, minus what was claimed. Some are the
  /// kernel's, or another program's.
  std::multimap<DomId, EventChannel> unclaimed_;
  std::set<Port> claimed_;

  std::unique_ptr<XenAhead> ahead_;  ///< until trust_ahead()
  bool look_again_ = false;          ///< unclaimed_ may not have all
  std::map<DomId, std::unique_ptr<RingPage>> pages_ahead_;
};

}  // namespace vxs::daemon
