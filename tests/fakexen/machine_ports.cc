// Event channels: Xen's rules for binding, masking and closing, and the evtchn device's for
// reading.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "tests/fakexen/machine.hh"
#include "tests/fakexen/machine_lock.hh"

namespace vxs::fakexen {

std::span<PortState> Machine::ports(DomainState& domain) {
  if (&domain == state_->domains.data()) return state_->dom0_ports;
  return domain.ports;
}

// Nothing for a number out of range; 0 is never a port.
PortState* Machine::port_of(DomainState& domain, Port port) {
  const auto all = ports(domain);
  return port == 0 || port >= all.size() ? nullptr : &all[port];
}

Result<Port> Machine::free_port(DomainState& domain) {
  const auto all = ports(domain);
  const bool dom0 = &domain == state_->domains.data();
  const auto free = std::find_if(all.begin() + (dom0 ? state_->first_free_port : 1), all.end(),
                                 [](const PortState& port) { return port.kind == kClosed; });
  if (free == all.end()) return tl::unexpected(ENOSPC);
  const auto port = static_cast<Port>(free - all.begin());
  if (dom0) {
    state_->first_free_port = port;
    state_->dom0_ports_used = std::max(state_->dom0_ports_used, port + 1);
  }
  return port;
}

// An event for a port. The device reads it once and masks it; a second one while it is masked is
// kept. A kernel's port only rings the doorbell.
Machine::Delivery Machine::signal(DomainState& domain, Port port) {
  PortState* state = port_of(domain, port);
  if (state == nullptr || state->kind == kClosed) return {};
  if (state->handle == 0) {
    state->pending = 1;
    return bell(domain);
  }
  if (state->masked != 0) {
    state->pending = 1;
    return {};
  }
  state->masked = 1;
  return {state->handle, state_->handles[state->handle - 1].serial, port, nullptr};
}

Machine::Delivery Machine::signal_virq(uint32_t virq) {
  const Port port = state_->virq_ports[virq];
  DomainState* domain = find(state_->virq_domids[virq]);
  return port == 0 || domain == nullptr ? Delivery{} : signal(*domain, port);
}

void Machine::raise_virq(uint32_t virq) {
  Delivery delivery;
  {
    const Lock lock(*state_);
    delivery = signal_virq(virq);
  }
  finish(delivery);
}

bool Machine::virq_waits(uint32_t virq) {
  const Lock lock(*state_);
  DomainState* domain = find(state_->virq_domids[virq]);
  const PortState* state = domain == nullptr ? nullptr : port_of(*domain, state_->virq_ports[virq]);
  return state != nullptr && (state->pending != 0 || state->masked != 0);
}

// The other end of a closed channel waits for a new connection.
void Machine::close_locked(DomainState& domain, Port port) {
  PortState* state = port_of(domain, port);
  if (state == nullptr || state->kind == kClosed) return;
  const PortState was = *state;
  *state = {};
  if (&domain == state_->domains.data()) {
    state_->first_free_port = std::min(state_->first_free_port, port);
  }
  if (was.kind == kVirq && was.virq < kVirqs) state_->virq_ports[was.virq] = 0;
  if (was.kind != kInterdomain) return;
  DomainState* other = find(was.remote_domid);
  PortState* end = other == nullptr ? nullptr : port_of(*other, was.remote_port);
  if (end == nullptr || end->kind != kInterdomain || end->remote_port != port ||
      end->remote_domid != domain.domid) {
    return;
  }
  end->kind = kUnbound;
  end->remote_port = 0;
}

Result<Port> Machine::alloc_unbound(uint32_t domid, uint32_t remote) {
  const Lock lock(*state_);
  DomainState* domain = find(domid);
  if (domain == nullptr || domain->dying != 0) return tl::unexpected(ESRCH);
  const auto port = free_port(*domain);
  if (!port) return port;
  PortState& state = *port_of(*domain, *port);
  state = {};
  state.remote_domid = remote;
  state.kind = kUnbound;
  return port;
}

Result<void> Machine::send(uint32_t domid, Port port) {
  Delivery delivery;
  {
    const Lock lock(*state_);
    DomainState* domain = find(domid);
    if (domain == nullptr || domain->dying != 0) return tl::unexpected(ESRCH);
    const PortState* state = port_of(*domain, port);
    if (state == nullptr || state->kind == kClosed) return tl::unexpected(EINVAL);
    if (state->kind != kInterdomain) return {};
    DomainState* other = find(state->remote_domid);
    if (other == nullptr) return {};
    delivery = signal(*other, state->remote_port);
  }
  finish(delivery);
  return {};
}

bool Machine::take_event(uint32_t domid, Port port) {
  const Lock lock(*state_);
  DomainState* domain = find(domid);
  PortState* state = domain == nullptr ? nullptr : port_of(*domain, port);
  if (state == nullptr || state->pending == 0) return false;
  state->pending = 0;
  return true;
}

// Xen makes room for ports in buckets, as they are needed, and knows of none beyond.
Result<PortStatus> Machine::port_status(uint32_t domid, Port port) {
  constexpr uint32_t kBucket = 128;
  const Lock lock(*state_);
  DomainState* domain = find(domid);
  if (domain == nullptr) return tl::unexpected(ESRCH);
  const PortState* state = port_of(*domain, port);
  const bool beyond =
      domain == state_->domains.data() && port >= (state_->dom0_ports_used / kBucket + 1) * kBucket;
  if (state == nullptr || beyond) return tl::unexpected(EINVAL);
  const bool kernels = state->handle == 0;
  if (kernels ? state->kind == kInterdomain : !alive(state->handle)) reap_handles();
  return PortStatus{static_cast<PortKind>(state->kind),
                    state->remote_domid,
                    state->remote_port,
                    state->virq,
                    state->pending != 0,
                    state->masked != 0,
                    state->handle};
}

Result<void> Machine::close_port(uint32_t domid, Port port) {
  const Lock lock(*state_);
  DomainState* domain = find(domid);
  if (domain == nullptr) return tl::unexpected(ESRCH);
  close_locked(*domain, port);
  return {};
}

// --- the device ------------------------------------------------------------------

std::string Machine::fifo_name(uint32_t serial) const {
  return directory_ + "/evtchn." + std::to_string(serial);
}

DomainState& Machine::home(uint32_t handle) {
  DomainState* domain = find(state_->handles[handle - 1].domid);
  return domain == nullptr ? state_->domains[0] : *domain;
}

// A fifo without a reader: every descriptor of the handle is closed.
bool Machine::alive(uint32_t handle) {
  const int fd = open(fifo_name(state_->handles[handle - 1].serial).c_str(),
                      O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return false;
  close(fd);
  return true;
}

void Machine::reap_handles() {
  for (uint32_t index = 0; index < kHandles; ++index) {
    HandleState& handle = state_->handles[index];
    if (handle.used == 0 || alive(index + 1)) continue;
    DomainState& domain = home(index + 1);
    for (Port port = 1; const PortState* state = port_of(domain, port); ++port) {
      if (state->handle == index + 1) close_locked(domain, port);
    }
    unlink(fifo_name(handle.serial).c_str());
    handle = {};
  }
}

void Machine::reap() {
  Delivery virq;
  {
    const Lock lock(*state_);
    reap_handles();
    if (reap_domains()) virq = signal_virq(kVirqDomExc);
  }
  finish(virq);
}

Result<int> Machine::open_handle(bool close_on_exec, uint32_t domid) {
  reap();
  const Lock lock(*state_);
  const auto free = std::find_if(state_->handles.begin(), state_->handles.end(),
                                 [](const HandleState& one) { return one.used == 0; });
  if (free == state_->handles.end()) return tl::unexpected(ENFILE);
  const uint32_t serial = ++state_->serials;
  if (mkfifo(fifo_name(serial).c_str(), 0600) != 0) return tl::unexpected(errno);
  const int fd = open(fifo_name(serial).c_str(), O_RDWR | (close_on_exec ? O_CLOEXEC : 0));
  struct stat info {};
  if (fd < 0 || fstat(fd, &info) != 0) return tl::unexpected(errno);
  *free = {1, serial, info.st_ino, domid};
  return fd;
}

Result<uint32_t> Machine::handle_of(int fd) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return tl::unexpected(errno);
  const Lock lock(*state_);
  for (uint32_t index = 0; index < kHandles; ++index) {
    const HandleState& handle = state_->handles[index];
    if (handle.used != 0 && handle.inode == info.st_ino) return index + 1;
  }
  return tl::unexpected(EINVAL);
}

Result<Port> Machine::bind_interdomain(uint32_t handle, uint32_t domid, Port remote) {
  Delivery delivery;
  Port local = 0;
  {
    const Lock lock(*state_);
    DomainState* domain = find(domid);
    if (domain == nullptr) return tl::unexpected(ESRCH);
    DomainState& own = home(handle);
    PortState* end = port_of(*domain, remote);
    if (end != nullptr && end->kind == kInterdomain) reap_handles();
    if (end == nullptr || end->kind != kUnbound || end->remote_domid != own.domid) {
      return tl::unexpected(EINVAL);
    }
    const auto port = free_port(own);
    if (!port) return port;
    local = *port;
    PortState& state = *port_of(own, local);
    state = {};
    state.remote_domid = domid;
    state.remote_port = remote;
    state.handle = handle;
    state.kind = kInterdomain;
    end->remote_port = local;
    end->kind = kInterdomain;
    // Events sent while nobody listened are made up for.
    delivery = signal(own, local);
  }
  finish(delivery);
  return local;
}

Result<Port> Machine::bind_virq(uint32_t handle, uint32_t virq) {
  if (virq >= kVirqs) return tl::unexpected(EINVAL);
  const Lock lock(*state_);
  if (state_->virq_ports[virq] != 0) reap_handles();
  if (state_->virq_ports[virq] != 0) return tl::unexpected(EEXIST);
  DomainState& own = home(handle);
  const auto port = free_port(own);
  if (!port) return port;
  PortState& state = *port_of(own, *port);
  state = {};
  state.virq = virq;
  state.handle = handle;
  state.kind = kVirq;
  state_->virq_ports[virq] = *port;
  state_->virq_domids[virq] = own.domid;
  return port;
}

Result<void> Machine::unbind(uint32_t handle, Port port) {
  const Lock lock(*state_);
  const PortState* state = port_of(home(handle), port);
  if (state == nullptr) return tl::unexpected(EINVAL);
  if (state->kind == kClosed || state->handle != handle) return tl::unexpected(ENOTCONN);
  close_locked(home(handle), port);
  return {};
}

Result<void> Machine::notify(uint32_t handle, Port port) {
  Delivery delivery;
  {
    const Lock lock(*state_);
    const PortState* state = port_of(home(handle), port);
    if (state == nullptr || state->kind == kClosed || state->handle != handle) {
      return tl::unexpected(ENOTCONN);
    }
    DomainState* other = state->kind == kInterdomain ? find(state->remote_domid) : nullptr;
    if (other == nullptr) return {};
    delivery = signal(*other, state->remote_port);
  }
  finish(delivery);
  return {};
}

void Machine::unmask(uint32_t handle, Port port) {
  Delivery delivery;
  {
    const Lock lock(*state_);
    PortState* state = port_of(home(handle), port);
    if (state == nullptr || state->kind == kClosed || state->handle != handle) return;
    const bool again = state->masked != 0 && state->pending != 0;
    state->masked = 0;
    if (again) {
      state->pending = 0;
      delivery = signal(home(handle), port);
    }
  }
  finish(delivery);
}

// Through a writer's descriptor of this process, opened once per handle. A reader that is gone
// means nothing here: reap() finds it.
void Machine::push(const Delivery& delivery) {
  const std::lock_guard guard(writers_mutex_);
  auto [place, fresh] = writers_.try_emplace(delivery.handle, Writer{0, -1});
  Writer& writer = place->second;
  if (writer.serial != delivery.serial || writer.fd < 0) {
    if (writer.fd >= 0) close(writer.fd);
    writer = {delivery.serial,
              open(fifo_name(delivery.serial).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)};
  }
  if (writer.fd < 0) return;
  const ssize_t written = write(writer.fd, &delivery.port, sizeof(delivery.port));
  static_cast<void>(written);
}

}  // namespace vxs::fakexen
