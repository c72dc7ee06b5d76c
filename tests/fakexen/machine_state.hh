// The memory of the fake machine: what every process that takes part maps from the file
// `machine` in FAKEXEN_DIR. Plain data of a fixed layout; used through machine.hh alone.
#pragma once

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace vxs::fakexen {

constexpr uint32_t kFirstReservedDomid = 0x7FF0;
constexpr uint32_t kSlots = 4096;       // domains at a time, dom0 included
constexpr uint32_t kGuestPorts = 32;    // event channels of a guest
constexpr uint32_t kDom0Ports = 16384;  // event channels of dom0
constexpr uint32_t kHandles = 64;       // opens of the event-channel device at a time
constexpr uint32_t kVirqs = 24;
constexpr uint32_t kMappers = 4;         // processes that map one domain's page
constexpr uint32_t kPages = 1U << 20;    // handed out one after the other, then from the start
constexpr uint32_t kStorePage = kPages;  // not in `pages`: the file `store-page`
constexpr size_t kPageSize = 4096;

// As EVTCHNSTAT_* in xen/event_channel.h.
enum PortKind : uint32_t { kClosed = 0, kUnbound = 1, kInterdomain = 2, kVirq = 4 };

struct PortState {
  uint32_t kind;
  uint32_t remote_domid;  // of kUnbound and kInterdomain
  uint32_t remote_port;   // of kInterdomain
  uint32_t virq;          // of kVirq
  uint32_t handle;        // index + 1 in `handles`; 0: the domain's kernel has it
  uint32_t pending;
  uint32_t masked;
};

struct DomainState {
  uint32_t used;
  uint32_t domid;
  uint32_t life;  // counts the domains this machine ever had; from 1
  std::array<uint8_t, 16> handle;
  uint32_t shutdown;
  uint32_t reason;
  uint32_t dying;
  uint32_t has_ring;                      // grant 1 is there
  uint32_t page;                          // its place in the file `pages`, or kStorePage
  uint32_t store_port;                    // the guest's port for Xenstore
  std::array<int32_t, kMappers> mappers;  // pids that map its page; 0: free
  std::atomic<uint32_t> doorbell;         // a futex: counts events to its kernel
  std::atomic<uint32_t> waiters;
  std::array<PortState, kGuestPorts> ports;  // not of dom0
};

struct HandleState {
  uint32_t used;
  uint32_t serial;  // names its fifo
  uint64_t inode;   // of the fifo
  uint32_t domid;   // in which the program runs
};

struct MachineState {
  pthread_mutex_t mutex;
  uint32_t lives;
  uint32_t serials;
  uint32_t next_page;
  uint32_t slots_used;                                // slots from here on were never used
  uint32_t highest_domid;                             // of all there ever were
  uint32_t first_free_port;                           // of dom0: none below it is closed
  uint32_t dom0_ports_used;                           // of dom0: ports from here on never were
  uint32_t store_domid;                               // whom the domains' store ports wait for
  std::array<uint32_t, kVirqs> virq_ports;            // the port bound to it; 0: none
  std::array<uint32_t, kVirqs> virq_domids;           // whose port
  std::array<uint32_t, kFirstReservedDomid> slot_of;  // slot + 1 of a domid; 0: none
  std::array<HandleState, kHandles> handles;
  std::array<PortState, kDom0Ports> dom0_ports;
  std::array<DomainState, kSlots> domains;  // [0] is dom0
};

static_assert(std::atomic<uint32_t>::is_always_lock_free);

}  // namespace vxs::fakexen
