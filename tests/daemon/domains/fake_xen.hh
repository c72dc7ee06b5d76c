// A hypervisor and rings made of values: who exists, and what was asked of the rings.
#pragma once

#include <cerrno>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/core/connection.hh"
#include "daemon/core/rings.hh"
#include "daemon/hypervisor/hypervisor.hh"

namespace vxs::test {

class FakeHypervisor final : public daemon::Hypervisor {
 public:
  std::map<DomId, daemon::DomainInfo> exist;
  int fails = 0;  // errno of the questions about domains
  int questions = 0;

  // A domain that runs; its handle begins with `life`.
  void make(DomId domid, std::uint8_t life, std::uint64_t unique_id = 0) {
    daemon::DomainInfo info;
    info.domid = domid;
    info.handle[0] = life;
    info.unique_id = unique_id;
    exist[domid] = info;
  }
  std::vector<daemon::DomainInfo> list() const {
    std::vector<daemon::DomainInfo> all;
    for (const auto& [domid, info] : exist) all.push_back(info);
    return all;
  }

  int event_fd() const noexcept override { return -1; }
  std::optional<daemon::Port> next_pending() override { return std::nullopt; }
  void unmask(daemon::Port) override {}
  void notify(daemon::Port) override {}
  daemon::HypervisorResult<daemon::Port> bind_interdomain(DomId, daemon::Port) override {
    return tl::unexpected(ENOSYS);
  }
  daemon::HypervisorResult<daemon::Port> bind_domain_exception() override { return 1; }
  void unbind(daemon::Port) override {}
  daemon::HypervisorResult<std::unique_ptr<daemon::RingPage>> map_ring(DomId) override {
    return tl::unexpected(ENOSYS);
  }
  daemon::HypervisorResult<daemon::OwnRing> map_own_ring() override {
    return tl::unexpected(ENOSYS);
  }
  daemon::HypervisorResult<std::optional<daemon::DomainInfo>> domain(DomId domid) override {
    ++questions;
    if (fails != 0) return tl::unexpected(fails);
    const auto found = exist.find(domid);
    if (found == exist.end()) return std::nullopt;
    return found->second;
  }
  daemon::HypervisorResult<std::vector<daemon::DomainInfo>> domains() override {
    if (fails != 0) return tl::unexpected(fails);
    return list();
  }
};

class FakeRings final : public daemon::Rings {
 public:
  struct Ring {
    daemon::Port port = 0;
    daemon::Connection* connection = nullptr;
    bool operator==(const Ring&) const = default;
  };
  std::map<DomId, Ring> rings;
  std::set<DomId> broken;               // no such port
  std::set<DomId> short_of;             // no memory for it
  std::set<daemon::Port> unbindable;    // at a re-introduction
  std::map<DomId, daemon::Port> pages;  // evtchn_port of the page (A23)
  std::vector<std::string> log;

  tl::expected<daemon::Port, daemon::AttachError> attach(DomId domid, daemon::Port port,
                                                         bool honour) override {
    if (short_of.contains(domid)) return tl::unexpected(daemon::AttachError{.code = ENOMEM});
    if (rings.contains(domid)) return tl::unexpected(daemon::AttachError{.code = EBUSY});
    if (broken.contains(domid) || unbindable.contains(port)) {
      return tl::unexpected(daemon::AttachError{.code = EINVAL, .no_such_port = true});
    }
    if (honour && pages.contains(domid)) port = pages[domid];
    rings[domid] = Ring{.port = port};
    log.push_back("attach " + std::to_string(domid) + " " + std::to_string(port));
    return port;
  }
  void serve(DomId domid, daemon::Connection& connection, Begin begin) override {
    rings.at(domid).connection = &connection;
    log.push_back((begin == Begin::kFresh ? "fresh " : "resumed ") + std::to_string(domid));
  }
  bool reintroduce(DomId domid, daemon::Port port) override {
    rings.at(domid).port = port;
    log.push_back("again " + std::to_string(domid) + " " + std::to_string(port));
    return !unbindable.contains(port);
  }
  void detach(DomId domid) override {
    if (rings.erase(domid) != 0) log.push_back("detach " + std::to_string(domid));
  }
  void pause(DomId, bool) override {}
  std::vector<std::string> take_log() { return std::exchange(log, {}); }
};

}  // namespace vxs::test
