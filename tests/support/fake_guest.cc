#include "tests/support/fake_guest.hh"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>

namespace vxs::support {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How late the event for bytes in the ring may be.
constexpr milliseconds kLateEvent{1000};

fakexen::Domain existing(fakexen::Machine& machine, uint32_t domid) {
  const auto domain = machine.domain(domid);
  if (!domain) throw std::system_error(ESRCH, std::generic_category(), "FakeGuest");
  return *domain;
}

void* mapped(fakexen::Machine& machine, uint32_t domid) {
  const auto page = machine.map_page(domid, false);
  if (!page) throw std::system_error(page.error(), std::generic_category(), "FakeGuest");
  return *page;
}

uint32_t used(uint32_t producer, uint32_t consumer) {
  const uint32_t bytes = producer - consumer;
  if (bytes > kRingSize) throw WireError("the ring holds more than it can");
  return bytes;
}

}  // namespace

FakeGuest::FakeGuest(fakexen::Machine& machine, uint32_t domid)
    : machine_(&machine), domain_(existing(machine, domid)), page_(mapped(machine, domid)) {}

FakeGuest::FakeGuest(FakeGuest&& other) noexcept
    : FrameClient(std::move(other)),
      machine_(std::exchange(other.machine_, nullptr)),
      domain_(other.domain_),
      page_(other.page_) {}

FakeGuest::~FakeGuest() {
  if (machine_ != nullptr) machine_->unmap_page(page_.bytes(), std::nullopt);
}

std::string FakeGuest::introduction() const {
  return zstrings({std::to_string(domain_.domid), std::to_string(fakexen::kStoreGfn),
                   std::to_string(domain_.store_port)});
}

void FakeGuest::notify() { static_cast<void>(machine_->send(domain_.domid, domain_.store_port)); }

void FakeGuest::check_alive() {
  const auto now = machine_->domain(domain_.domid);
  if (!now || now->life != domain_.life || now->dying) throw WireError("the domain is gone");
}

size_t FakeGuest::send_some(std::string_view bytes, bool silent) {
  const uint32_t producer = page_.get(GuestPage::kReqProd);
  const uint32_t room = kRingSize - used(producer, page_.get(GuestPage::kReqCons));
  const size_t count = std::min<size_t>(room, bytes.size());
  for (size_t i = 0; i < count; ++i) {
    page_.requests()[(producer + i) % kRingSize] = bytes[i];
  }
  page_.set(GuestPage::kReqProd, producer + static_cast<uint32_t>(count));
  if (count > 0 && !silent) notify();
  return count;
}

void FakeGuest::send_bytes(std::string_view bytes) {
  const auto deadline = steady_clock::now() + kTimeout;
  for (;;) {
    const uint32_t seen = machine_->doorbell(domain_.domid);
    check_alive();
    bytes.remove_prefix(send_some(bytes));
    if (bytes.empty()) return;
    if (!wait(seen, deadline)) throw WireError("send: timeout");
  }
}

bool FakeGuest::read_some() {
  const uint32_t consumer = page_.get(GuestPage::kRspCons);
  const uint32_t count = used(page_.get(GuestPage::kRspProd), consumer);
  if (count == 0) return false;
  std::string bytes(count, '\0');
  for (uint32_t i = 0; i < count; ++i) bytes[i] = page_.responses()[(consumer + i) % kRingSize];
  arrived(bytes);
  page_.set(GuestPage::kRspCons, consumer + count);
  notify();
  return true;
}

bool FakeGuest::fill(Deadline deadline) {
  for (;;) {
    const uint32_t seen = machine_->doorbell(domain_.domid);
    check_alive();
    if (read_some()) return true;
    if (wait(seen, deadline)) continue;
    if (page_.get(GuestPage::kRspProd) == page_.get(GuestPage::kRspCons)) return false;
    if (!wait(seen, steady_clock::now() + kLateEvent)) {
      throw WireError("bytes in the ring, and no event");
    }
  }
}

bool FakeGuest::wait(uint32_t seen, Deadline deadline) {
  while (machine_->doorbell(domain_.domid) == seen) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    if (left.count() <= 0) return false;
    machine_->wait(domain_.domid, seen, left);
  }
  return true;
}

void FakeGuest::start_over() {
  domain_ = existing(*machine_, domain_.domid);
  forget_input();
}

void FakeGuest::move_page() {
  if (const auto moved = machine_->move_page(domain_.domid); !moved) {
    throw std::system_error(moved.error(), std::generic_category(), "move_page");
  }
  void* const page = mapped(*machine_, domain_.domid);
  machine_->unmap_page(page_.bytes(), std::nullopt);
  page_ = GuestPage(page);
}

bool FakeGuest::becomes(GuestPage::Field field, uint32_t value, milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  while (page_.get(field) != value) {
    if (steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(milliseconds(1));
  }
  return true;
}

}  // namespace vxs::support
