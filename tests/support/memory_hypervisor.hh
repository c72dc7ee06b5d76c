// Xen in memory: domains with a page each, event channels with masks, pending bits and the errors
// Xen gives. Everything a guest could do besides writing its page is a call here.
#pragma once

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "daemon/hypervisor/hypervisor.hh"
#include "protocol/ring_page.hh"

namespace vxs::test {

class MemoryHypervisor final : public daemon::Hypervisor {
 public:
  using Port = daemon::Port;
  struct Page {
    alignas(64) std::array<std::byte, protocol::kRingPageSize> bytes{};
  };
  struct Domain {
    daemon::DomainInfo info;
    std::shared_ptr<Page> page;     // what grant 1 gives; none: mapping fails
    std::map<Port, Port> channels;  // the domain's ports -> ours, 0 while unbound
    std::uint64_t notified = 0;     // signals it got from us
  };

  MemoryHypervisor() : event_fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  ~MemoryHypervisor() override { ::close(event_fd_); }

  // --- the guests' side ------------------------------------------------------
  // A domain with a page of zeroes and one port waiting to be bound.
  Domain& add_domain(DomId domid, Port port) {
    Domain& domain = domains_[domid];
    domain.info.domid = domid;
    domain.page = shared_page();
    domain.channels[port] = 0;
    return domain;
  }
  Domain& at(DomId domid) { return domains_.at(domid); }
  void destroy_domain(DomId domid) { domains_.erase(domid); }
  // The guest signals on its port. Lost if nobody has bound it, as on Xen.
  void signal(DomId domid, Port port) {
    const Port local = domains_.at(domid).channels.at(port);
    if (local != 0) pend(local);
  }
  void raise_domain_exception() {
    if (virq_ != 0) pend(virq_);
  }

  // The daemon dies. Its event-channel descriptor was kept by somebody, or not.
  void daemon_died(bool descriptor_kept) {
    at_each_call = nullptr;
    std::vector<Port> all;
    for (const auto& [port, channel] : ports_) all.push_back(port);
    if (descriptor_kept) {
      orphaned_ = {all.begin(), all.end()};
    } else {
      for (const Port port : all) unbind(port);
    }
  }
  // The domain that had a channel of ours closed it, by dying.
  void close_channels_to(DomId domid) {
    std::erase_if(ports_, [domid](const auto& one) { return one.second.domid == domid; });
    std::erase_if(orphaned_, [this](Port port) { return !ports_.contains(port); });
  }
  // Called first by bind, unbind, notify and unmask; what it throws ends the daemon.
  std::function<void()> at_each_call;

  int map_errno = 0;
  int bind_errno = 0;
  Port own_port = 0;  // xsd_port; its ring is that of domain 0
  std::uint64_t unmasks = 0;
  std::uint64_t notifications = 0;
  int mapped = 0;  // pages mapped now
  [[nodiscard]] std::size_t bound() const { return ports_.size(); }
  [[nodiscard]] bool masked(Port local) const { return ports_.at(local).masked; }

  // --- Hypervisor ------------------------------------------------------------
  int event_fd() const noexcept override { return event_fd_; }
  std::optional<Port> next_pending() override {
    while (!ready_.empty()) {
      const Port port = ready_.front();
      ready_.pop_front();
      const auto found = ports_.find(port);
      if (found == ports_.end() || !found->second.pending || found->second.masked) continue;
      found->second.pending = false;
      found->second.masked = true;
      return port;
    }
    std::uint64_t count = 0;
    (void)!::read(event_fd_, &count, sizeof count);
    return std::nullopt;
  }
  void unmask(Port local) override {
    if (at_each_call) at_each_call();
    ++unmasks;
    const auto found = ports_.find(local);
    if (found == ports_.end()) return;
    found->second.masked = false;
    if (found->second.pending) make_ready(local);
  }
  void notify(Port local) override {
    if (at_each_call) at_each_call();
    const auto found = ports_.find(local);
    if (found == ports_.end()) return;
    ++notifications;
    const auto domain = domains_.find(found->second.domid);
    if (domain != domains_.end()) ++domain->second.notified;
  }
  daemon::HypervisorResult<Port> bind_interdomain(DomId domid, Port remote) override {
    if (at_each_call) at_each_call();
    if (bind_errno != 0) return tl::unexpected(bind_errno);
    for (const Port kept : orphaned_) {
      const Channel& channel = ports_.at(kept);
      if (channel.domid != domid || channel.remote != remote) continue;
      const Port local = kept;
      orphaned_.erase(kept);
      unmask(local);
      return local;
    }
    const auto domain = domains_.find(domid);
    if (domain == domains_.end()) return tl::unexpected(ESRCH);
    const auto channel = domain->second.channels.find(remote);
    if (channel == domain->second.channels.end() || channel->second != 0) {
      return tl::unexpected(EINVAL);
    }
    const Port local = next_port_++;
    ports_[local] = {.domid = domid, .remote = remote};
    channel->second = local;
    pend(local);
    return local;
  }
  daemon::HypervisorResult<Port> bind_domain_exception() override {
    if (virq_ != 0) return tl::unexpected(EEXIST);
    virq_ = next_port_++;
    ports_[virq_] = {};
    return virq_;
  }
  void drop_unclaimed() override {
    for (const Port port : std::exchange(orphaned_, {})) unbind(port);
  }
  void unbind(Port local) override {
    if (at_each_call) at_each_call();
    const auto found = ports_.find(local);
    if (found == ports_.end()) return;
    if (local == virq_) virq_ = 0;
    const auto domain = domains_.find(found->second.domid);
    if (domain != domains_.end() && domain->second.channels.contains(found->second.remote)) {
      domain->second.channels[found->second.remote] = 0;
    }
    ports_.erase(found);
  }
  daemon::HypervisorResult<std::unique_ptr<daemon::RingPage>> map_ring(DomId domid) override {
    if (map_errno != 0) return tl::unexpected(map_errno);
    const auto domain = domains_.find(domid);
    if (domain == domains_.end() || !domain->second.page) return tl::unexpected(EINVAL);
    return std::make_unique<Mapped>(domain->second.page, mapped);
  }
  daemon::HypervisorResult<daemon::OwnRing> map_own_ring() override {
    auto page = map_ring(0);
    if (!page) return tl::unexpected(page.error());
    return daemon::OwnRing{.page = std::move(*page), .remote_port = own_port};
  }
  daemon::HypervisorResult<std::optional<daemon::DomainInfo>> domain(DomId domid) override {
    const auto found = domains_.find(domid);
    if (found == domains_.end()) return std::nullopt;
    return found->second.info;
  }
  daemon::HypervisorResult<std::vector<daemon::DomainInfo>> domains() override {
    std::vector<daemon::DomainInfo> all;
    for (const auto& [domid, domain] : domains_) all.push_back(domain.info);
    return all;
  }

 private:
  // The page stays after the guest is gone, as a granted page does, until it is unmapped.
  class Mapped final : public daemon::RingPage {
   public:
    Mapped(std::shared_ptr<Page> page, int& count) : page_(std::move(page)), count_(count) {
      ++count_;
    }
    ~Mapped() override { --count_; }
    std::byte* bytes() noexcept override { return page_->bytes.data(); }

   private:
    std::shared_ptr<Page> page_;
    int& count_;
  };
  // Shared with processes that are forked: a guest's page outlives whoever maps it.
  static std::shared_ptr<Page> shared_page() {
    void* const memory =
        ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return {new (memory) Page, [](Page* page) { ::munmap(page, sizeof *page); }};
  }
  struct Channel {
    DomId domid = 0;
    Port remote = 0;
    bool pending = false;
    bool masked = false;
  };

  void pend(Port local) {
    Channel& channel = ports_.at(local);
    if (channel.pending) return;
    channel.pending = true;
    if (!channel.masked) make_ready(local);
  }
  void make_ready(Port local) {
    ready_.push_back(local);
    const std::uint64_t one = 1;
    (void)!::write(event_fd_, &one, sizeof one);
  }

  int event_fd_;
  Port next_port_ = 100;
  Port virq_ = 0;
  std::map<DomId, Domain> domains_;
  std::map<Port, Channel> ports_;
  std::deque<Port> ready_;
  std::set<Port> orphaned_;  // bound by a daemon that died
};

}  // namespace vxs::test
