#include "tests/fakexen/machine.hh"

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <new>
#include <system_error>

#include "tests/fakexen/machine_lock.hh"

namespace vxs::fakexen {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

void initialise_mutex(pthread_mutex_t& mutex) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
}

// One that ended and was not waited for maps nothing any more.
bool process_lives(int32_t pid) {
  if (kill(pid, 0) != 0 && errno == ESRCH) return false;
  const int fd = open(("/proc/" + std::to_string(pid) + "/stat").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno != ENOENT;
  char text[256] = {};
  const ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  // "pid (name) state …"
  const char* name_end = got <= 0 ? nullptr : strrchr(text, ')');
  return name_end == nullptr ||
         (strncmp(name_end, ") Z", 3) != 0 && strncmp(name_end, ") X", 3) != 0);
}

Domain view(const DomainState& domain) {
  return {domain.domid,  domain.life,       domain.handle,    domain.shutdown != 0,
          domain.reason, domain.dying != 0, domain.store_port};
}

}  // namespace

Machine::Machine(const std::string& directory) : directory_(directory) {
  const int fd = open((directory + "/machine").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) fail(directory + "/machine");
  pages_ = open((directory + "/pages").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (pages_ < 0) fail(directory + "/pages");
  store_page_ = open((directory + "/store-page").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (store_page_ < 0) fail(directory + "/store-page");
  flock(fd, LOCK_EX);
  struct stat info {};
  fstat(fd, &info);
  const bool fresh = info.st_size == 0;
  if (fresh &&
      (ftruncate(fd, sizeof(MachineState)) != 0 || ftruncate(store_page_, kPageSize) != 0 ||
       ftruncate(pages_, static_cast<off_t>(kPages) * kPageSize) != 0)) {
    fail(directory);
  }
  void* memory = mmap(nullptr, sizeof(MachineState), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) fail(directory + "/machine");
  state_ = static_cast<MachineState*>(memory);
  if (fresh) initialise();
  flock(fd, LOCK_UN);
  close(fd);
}

Machine::~Machine() {
  for (const auto& [handle, writer] : writers_) close(writer.fd);
  close(pages_);
  close(store_page_);
  munmap(state_, sizeof(MachineState));
}

void Machine::initialise() {
  initialise_mutex(state_->mutex);
  DomainState& dom0 = state_->domains[0];
  dom0.used = 1;
  dom0.life = ++state_->lives;
  dom0.has_ring = 1;
  dom0.page = state_->next_page++;
  dom0.store_port = kDom0StorePort;
  state_->dom0_ports[kDom0StorePort].kind = kUnbound;
  state_->slot_of[0] = 1;
  state_->slots_used = 1;
  state_->first_free_port = 1;
}

DomainState* Machine::find(uint32_t domid) {
  if (domid >= kFirstReservedDomid || state_->slot_of[domid] == 0) return nullptr;
  return &state_->domains[state_->slot_of[domid] - 1];
}

Result<Domain> Machine::create_domain(uint32_t domid, const Uuid& handle, bool has_ring) {
  if (domid == 0 || domid >= kFirstReservedDomid) return tl::unexpected(EINVAL);
  reap();
  const Lock lock(*state_);
  if (find(domid) != nullptr) return tl::unexpected(EEXIST);
  const auto slot = std::find_if(state_->domains.begin(), state_->domains.end(),
                                 [](const DomainState& one) { return one.used == 0; });
  if (slot == state_->domains.end()) return tl::unexpected(ENOSPC);
  DomainState& domain = *slot;
  const auto index = static_cast<uint32_t>(slot - state_->domains.begin());
  state_->slots_used = std::max(state_->slots_used, index + 1);
  state_->highest_domid = std::max(state_->highest_domid, domid);
  domain.domid = domid;
  domain.life = ++state_->lives;
  domain.handle = handle;
  domain.shutdown = domain.reason = domain.dying = 0;
  domain.has_ring = has_ring ? 1 : 0;
  domain.mappers = {};
  domain.ports = {};
  domain.used = 1;
  state_->slot_of[domid] = index + 1;
  give_page(domain);
  connect_kernel(domain);
  return view(domain);
}

void Machine::give_page(DomainState& domain) {
  domain.page = state_->next_page;
  state_->next_page = state_->next_page % (kPages - 1) + 1;
  fallocate(pages_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
            static_cast<off_t>(domain.page) * static_cast<off_t>(kPageSize), kPageSize);
}

Machine::Delivery Machine::connect_kernel(DomainState& domain) {
  const auto port = free_port(domain);
  domain.store_port = port.value_or(0);
  if (PortState* state = port_of(domain, domain.store_port)) {
    *state = {};
    state->remote_domid = state_->store_domid;
    state->kind = kUnbound;
  }
  return bell(domain);
}

Result<void> Machine::make_store_domain(uint32_t domid) {
  const Lock lock(*state_);
  DomainState* domain = find(domid);
  if (domain == nullptr || domid == 0) return tl::unexpected(ESRCH);
  state_->store_domid = domid;
  domain->page = kStorePage;
  for (DomainState* one : {domain, &state_->domains[0]}) {
    if (PortState* port = port_of(*one, one->store_port)) port->remote_domid = domid;
  }
  return {};
}

Result<void> Machine::shutdown(uint32_t domid, uint32_t reason) {
  Delivery delivery;
  {
    const Lock lock(*state_);
    DomainState* domain = find(domid);
    if (domain == nullptr || domain->dying != 0) return tl::unexpected(ESRCH);
    domain->shutdown = 1;
    domain->reason = reason;
    delivery = signal_virq(kVirqDomExc);
  }
  finish(delivery);
  return {};
}

Result<void> Machine::resume(uint32_t domid) {
  const Lock lock(*state_);
  DomainState* domain = find(domid);
  if (domain == nullptr || domain->dying != 0) return tl::unexpected(ESRCH);
  domain->shutdown = domain->reason = 0;
  return {};
}

Result<void> Machine::destroy(std::span<const uint32_t> domids) {
  bool missing = false;
  Delivery virq;
  {
    const Lock lock(*state_);
    for (const uint32_t domid : domids) {
      DomainState* domain = find(domid);
      if (domain == nullptr || domid == 0) {
        missing = true;
        continue;
      }
      domain->dying = 1;
      for (Port port = 1; port < kGuestPorts; ++port) close_locked(*domain, port);
      finish(bell(*domain));
    }
    virq = signal_virq(kVirqDomExc);
  }
  finish(virq);
  reap();
  if (missing) return tl::unexpected(ESRCH);
  return {};
}

Result<Port> Machine::soft_reset(uint32_t domid) {
  Delivery ring;
  Port port = 0;
  {
    const Lock lock(*state_);
    DomainState* domain = find(domid);
    if (domain == nullptr || domain->dying != 0 || domid == 0) return tl::unexpected(ESRCH);
    for (Port one = 1; one < kGuestPorts; ++one) close_locked(*domain, one);
    domain->shutdown = domain->reason = 0;
    ring = connect_kernel(*domain);
    port = domain->store_port;
  }
  finish(ring);
  return port;
}

std::optional<Domain> Machine::next_domain(uint32_t first) {
  const Lock lock(*state_);
  for (uint32_t domid = first; domid <= state_->highest_domid; ++domid) {
    if (const DomainState* domain = find(domid)) return view(*domain);
  }
  return std::nullopt;
}

std::optional<Domain> Machine::domain(uint32_t domid) {
  const Lock lock(*state_);
  const DomainState* domain = find(domid);
  if (domain == nullptr) return std::nullopt;
  return view(*domain);
}

Result<void*> Machine::map_page(uint32_t domid, bool tracked) {
  const Lock lock(*state_);
  DomainState* domain = find(domid);
  if (domain == nullptr || domain->dying != 0 || domain->has_ring == 0) {
    return tl::unexpected(EINVAL);
  }
  if (tracked) {
    const auto& pids = domain->mappers;
    if (std::find(pids.begin(), pids.end(), getpid()) == pids.end()) {
      const auto free = std::find_if(domain->mappers.begin(), domain->mappers.end(),
                                     [](int32_t pid) { return pid == 0 || !process_lives(pid); });
      if (free == domain->mappers.end()) return tl::unexpected(ENOSPC);
      *free = getpid();
    }
  }
  const bool store = domain->page == kStorePage;
  const uint32_t place = store ? 0 : domain->page;
  void* page =
      mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, store ? store_page_ : pages_,
           static_cast<off_t>(place) * static_cast<off_t>(kPageSize));
  if (page == MAP_FAILED) return tl::unexpected(errno);
  return page;
}

Result<void> Machine::move_page(uint32_t domid) {
  const Lock lock(*state_);
  DomainState* domain = find(domid);
  if (domain == nullptr || domain->page == kStorePage) return tl::unexpected(ESRCH);
  give_page(*domain);
  return {};
}

Result<void> Machine::set_granted(uint32_t domid, bool granted) {
  const Lock lock(*state_);
  DomainState* domain = find(domid);
  if (domain == nullptr) return tl::unexpected(ESRCH);
  domain->has_ring = granted ? 1 : 0;
  return {};
}

void Machine::unmap_page(void* page, std::optional<uint32_t> tracked_domid) {
  munmap(page, kPageSize);
  if (!tracked_domid) return;
  Delivery virq;
  {
    const Lock lock(*state_);
    DomainState* domain = find(*tracked_domid);
    if (domain == nullptr) return;
    std::replace(domain->mappers.begin(), domain->mappers.end(), getpid(), 0);
    if (let_go(*domain)) virq = signal_virq(kVirqDomExc);
  }
  finish(virq);
}

void Machine::forget_mappings() {
  Delivery virq;
  {
    const Lock lock(*state_);
    for (uint32_t slot = 1; slot < state_->slots_used; ++slot) {
      auto& pids = state_->domains[slot].mappers;
      std::replace(pids.begin(), pids.end(), getpid(), 0);
    }
    if (reap_domains()) virq = signal_virq(kVirqDomExc);
  }
  finish(virq);
}

int Machine::open_own_page(uint32_t domid) const {
  const char* const name = domid == 0 ? "/pages" : "/store-page";
  return open((directory_ + name).c_str(), O_RDWR | O_CLOEXEC);
}

bool Machine::is_mapped(DomainState& domain) {
  for (int32_t& pid : domain.mappers) {
    if (pid != 0 && !process_lives(pid)) pid = 0;
  }
  return domain.mappers != std::array<int32_t, kMappers>{};
}

bool Machine::let_go(DomainState& domain) {
  if (domain.used == 0 || domain.dying == 0 || is_mapped(domain)) return false;
  state_->slot_of[domain.domid] = 0;
  domain.used = 0;
  return true;
}

bool Machine::reap_domains() {
  bool went = false;
  for (uint32_t slot = 1; slot < state_->slots_used; ++slot) {
    went = let_go(state_->domains[slot]) || went;
  }
  return went;
}

uint32_t Machine::doorbell(uint32_t domid) {
  const Lock lock(*state_);
  const DomainState* domain = find(domid);
  return domain == nullptr ? 0 : domain->doorbell.load();
}

void Machine::nudge(uint32_t domid) {
  Delivery delivery;
  {
    const Lock lock(*state_);
    if (DomainState* domain = find(domid)) delivery = bell(*domain);
  }
  finish(delivery);
}

uint32_t Machine::wait(uint32_t domid, uint32_t seen, std::chrono::milliseconds timeout) {
  DomainState* domain = nullptr;
  {
    const Lock lock(*state_);
    domain = find(domid);
  }
  if (domain == nullptr) return seen + 1;
  const timespec limit{timeout.count() / 1000, timeout.count() % 1000 * 1'000'000};
  ++domain->waiters;
  if (domain->doorbell.load() == seen) {
    syscall(SYS_futex, &domain->doorbell, FUTEX_WAIT, seen, &limit, nullptr, 0);
  }
  --domain->waiters;
  return domain->doorbell.load();
}

Machine::Delivery Machine::bell(DomainState& domain) {
  ++domain.doorbell;
  return {0, 0, 0, &domain};
}

void Machine::finish(const Delivery& delivery) {
  if (delivery.handle != 0) push(delivery);
  if (delivery.bell != nullptr && delivery.bell->waiters.load() != 0) {
    syscall(SYS_futex, &delivery.bell->doorbell, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  }
}

}  // namespace vxs::fakexen
