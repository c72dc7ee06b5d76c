#include "tests/crash/kept/scripted_ring.hh"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace vxs::test::kept {
namespace {

using support::GuestPage;
using support::kRingSize;

constexpr std::uint32_t kOfferedFeatures = 15;

template <class T>
T checked(const fakexen::Result<T>& result, const char* what) {
  if (!result) throw std::runtime_error(std::string(what) + ": " + std::strerror(result.error()));
  return *result;
}

fakexen::Domain existing(fakexen::Machine& machine, std::uint32_t domid) {
  const auto domain = machine.domain(domid);
  if (!domain) throw std::runtime_error("no such domain");
  return *domain;
}

}  // namespace

ScriptedRing::ScriptedRing(fakexen::Machine& machine, std::uint32_t handle, std::uint32_t domid,
                           fakexen::Port remote)
    : machine_(machine),
      handle_(handle),
      domain_(existing(machine, domid)),
      page_(checked(machine.map_page(domid, true), "map_page")) {
  rebind(remote);
}

ScriptedRing::~ScriptedRing() {
  (void)machine_.unbind(handle_, port_);
  if (!keeps_) machine_.unmap_page(page_.bytes(), domid());
}

bool ScriptedRing::lives() const {
  const auto now = machine_.domain(domid());
  return now && now->life == domain_.life && !now->dying;
}

bool ScriptedRing::is_of_another_life() const {
  const auto now = machine_.domain(domid());
  return !now || now->life != domain_.life;
}

bool ScriptedRing::wants_anew() const { return page_.get(GuestPage::kConnection) == 1; }

void ScriptedRing::begin_anew() {
  for (const auto index : {GuestPage::kReqCons, GuestPage::kReqProd, GuestPage::kRspCons,
                           GuestPage::kRspProd, GuestPage::kError}) {
    page_.set(index, 0);
  }
  page_.set(GuestPage::kFeatures, kOfferedFeatures);
  page_.set(GuestPage::kConnection, 0);
  (void)machine_.notify(handle_, port_);
}

void ScriptedRing::rebind(fakexen::Port remote) {
  if (port_ != 0) (void)machine_.unbind(handle_, port_);
  port_ = checked(machine_.bind_interdomain(handle_, domid(), remote), "bind_interdomain");
}

void ScriptedRing::receive(std::string& bytes, bool silent) {
  const std::uint32_t consumer = page_.get(GuestPage::kReqCons);
  const std::uint32_t count = page_.get(GuestPage::kReqProd) - consumer;
  if (count == 0 || count > kRingSize) return;
  for (std::uint32_t i = 0; i < count; ++i) {
    bytes.push_back(page_.requests()[(consumer + i) % kRingSize]);
  }
  page_.set(GuestPage::kReqCons, consumer + count);
  if (!silent) (void)machine_.notify(handle_, port_);
}

std::size_t ScriptedRing::send(std::string_view bytes, bool silent) {
  const std::uint32_t producer = page_.get(GuestPage::kRspProd);
  const std::uint32_t used = producer - page_.get(GuestPage::kRspCons);
  if (used > kRingSize) return 0;
  const std::size_t count = std::min<std::size_t>(kRingSize - used, bytes.size());
  if (count == 0) return 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    page_.responses()[(producer + i) % kRingSize] = bytes[i];
  }
  page_.set(GuestPage::kRspProd, producer + static_cast<std::uint32_t>(count));
  if (!silent) (void)machine_.notify(handle_, port_);
  return count;
}

}  // namespace vxs::test::kept
