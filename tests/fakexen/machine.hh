// The fake machine: domains, event channels and ring pages as Xen has them, shared by every process
// that opens the same directory: the daemon under test (through the preloaded library), guests, the
// test. Safe for several threads and processes, and for the death of any of them at any moment.
//
// What dies with a process: an event-channel handle lives as long as somebody has its descriptor
// open (also across fork, exec and descriptor passing), a mapping of a page as long as the process.
// Ports of a dead handle close at the next call that cares: the guest's end then waits for a
// connection again, as in Xen.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "tests/fakexen/machine_state.hh"

#include <tl/expected.hpp>

namespace vxs::fakexen {

using Port = uint32_t;
using Uuid = std::array<uint8_t, 16>;
/// Errors are errno values.
template <class T>
using Result = tl::expected<T, int>;

constexpr uint32_t kVirqDomExc = 3;
/// dom0's kernel end of its own ring, the content of xsd_port.
constexpr Port kDom0StorePort = 1;
/// Where a toolstack would say the ring page is; the foreign mapping of any other frame fails.
constexpr uint64_t kStoreGfn = 0xFEFFC;

struct Domain {
  uint32_t domid;
  uint32_t life;
  Uuid handle;
  bool shutdown;
  uint32_t reason;
  bool dying;
  Port store_port;
};

struct PortStatus {
  PortKind kind;
  uint32_t remote_domid;
  Port remote_port;
  uint32_t virq;
  bool pending;
  bool masked;
  uint32_t handle;
};

class Machine {
 public:
  /// Makes the machine with dom0 alone if the directory has none. Throws std::system_error.
  explicit Machine(const std::string& directory);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // --- domains (the toolstack's view) --------------------------------------------
  /// A fresh page of zeros, and a port that waits for dom0 to connect. EINVAL for a reserved domid,
  /// EEXIST if it is taken, also by one that is dying; ENOSPC.
  Result<Domain> create_domain(uint32_t domid, const Uuid& handle, bool has_ring = true);
  /// As a SCHEDOP_shutdown of the guest; raises VIRQ_DOM_EXC. ESRCH.
  Result<void> shutdown(uint32_t domid, uint32_t reason);
  /// As XEN_DOMCTL_resumedomain: runs on. ESRCH.
  Result<void> resume(uint32_t domid);
  /// All of them at one moment: their ports close, they are dying; VIRQ_DOM_EXC is raised. Each is
  /// gone, with another VIRQ, once nobody maps its page any more. ESRCH if one does not exist; the
  /// others are destroyed.
  Result<void> destroy(std::span<const uint32_t> domids);
  /// As XEN_DOMCTL_soft_reset: all ports close, shutdown is undone, page and domid stay. The new
  /// store port.
  Result<Port> soft_reset(uint32_t domid);
  /// The first domain whose domid is not below `first`; dying ones count.
  std::optional<Domain> next_domain(uint32_t first);
  std::optional<Domain> domain(uint32_t domid);
  void raise_virq(uint32_t virq);
  /// The domain, which has just been made and not used, is where the Xenstore daemon runs, instead
  /// of dom0: its store port, dom0's and those of domains made from now on wait for it. ESRCH.
  Result<void> make_store_domain(uint32_t domid);
  /// Whether the program that bound it has yet to take or unmask it.
  bool virq_waits(uint32_t virq);

  // --- pages ---------------------------------------------------------------------
  /// Maps grant 1 into this process; EINVAL as the grant device says where there is none. While a
  /// `tracked` mapping lasts, the domain cannot go completely. dom0's page: domid 0.
  Result<void*> map_page(uint32_t domid, bool tracked);
  /// Grant 1 is another page from now on, of zeros; mappings of the one before stay. ESRCH.
  Result<void> move_page(uint32_t domid);
  /// Takes grant 1 back, or gives it again: map_page() fails meanwhile, mappings stay. ESRCH.
  Result<void> set_granted(uint32_t domid, bool granted);
  /// Ends a mapping; `tracked_domid` names the domain it kept.
  void unmap_page(void* page, std::optional<uint32_t> tracked_domid);
  /// This process maps nothing: it just began, and whatever had its pid before the exec is gone.
  void forget_mappings();
  /// A file that begins with the page of dom0 or of the store domain.
  [[nodiscard]] int open_own_page(uint32_t domid) const;

  // --- event channels of a domain's kernel -----------------------------------------
  Result<Port> alloc_unbound(uint32_t domid, uint32_t remote);
  /// EVTCHNOP_send. ESRCH or EINVAL; nothing happens where the other end does not listen.
  Result<void> send(uint32_t domid, Port port);
  /// Whether an event came since the last call.
  bool take_event(uint32_t domid, Port port);
  /// Waits until the domain's doorbell is another than `seen`; the value now.
  uint32_t wait(uint32_t domid, uint32_t seen, std::chrono::milliseconds timeout);
  uint32_t doorbell(uint32_t domid);
  /// As an event that nobody sent: ends a wait().
  void nudge(uint32_t domid);
  /// EINVAL where there is no such port, ESRCH.
  Result<PortStatus> port_status(uint32_t domid, Port port);
  Result<void> close_port(uint32_t domid, Port port);

  // --- event channels of a program (the evtchn device) ------------------------------
  /// A descriptor for a program in `domid`, readable when a port is pending, and blocking as the
  /// device's is. ENFILE.
  Result<int> open_handle(bool close_on_exec, uint32_t domid = 0);
  /// The handle a descriptor of open_handle() belongs to. EINVAL.
  Result<uint32_t> handle_of(int fd);
  Result<Port> bind_interdomain(uint32_t handle, uint32_t domid, Port remote);
  /// EEXIST if somebody has it.
  Result<Port> bind_virq(uint32_t handle, uint32_t virq);
  /// ENOTCONN if the handle does not have the port; the same for notify().
  Result<void> unbind(uint32_t handle, Port port);
  Result<void> notify(uint32_t handle, Port port);
  void unmask(uint32_t handle, Port port);
  /// Closes the ports of handles whose descriptors are all closed, and lets domains go that only
  /// dead processes mapped.
  void reap();

 private:
  class Lock;
  /// What is to be done after the lock is free: no system call delays the others.
  struct Delivery {
    uint32_t handle = 0;  // index + 1
    uint32_t serial = 0;
    Port port = 0;
    DomainState* bell = nullptr;
  };

  void initialise();
  void give_page(DomainState& domain);
  DomainState* find(uint32_t domid);
  /// Where the program with this handle runs.
  DomainState& home(uint32_t handle);
  std::span<PortState> ports(DomainState& domain);
  PortState* port_of(DomainState& domain, Port port);
  Result<Port> free_port(DomainState& domain);
  Delivery signal(DomainState& domain, Port port);
  Delivery signal_virq(uint32_t virq);
  Delivery bell(DomainState& domain);
  void finish(const Delivery& delivery);
  void push(const Delivery& delivery);
  void close_locked(DomainState& domain, Port port);
  Delivery connect_kernel(DomainState& domain);
  bool alive(uint32_t handle);
  void reap_handles();
  /// Whether a domain went.
  bool reap_domains();
  bool let_go(DomainState& domain);
  /// Whether the page is still mapped; forgets processes that ended.
  static bool is_mapped(DomainState& domain);
  std::string fifo_name(uint32_t serial) const;

  std::string directory_;
  int pages_ = -1;
  int store_page_ = -1;
  MachineState* state_ = nullptr;
  struct Writer {
    uint32_t serial;
    int fd;
  };
  std::mutex writers_mutex_;
  std::map<uint32_t, Writer> writers_;  // by handle
};

}  // namespace vxs::fakexen
