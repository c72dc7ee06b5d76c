#include "tests/crash/kept/ring_link.hh"

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "tests/crash/kept/conversation.hh"

namespace vxs::test::kept {
namespace {

using support::GuestPage;
using support::kRingSize;

// If whoever rang the bell died before the futex was woken.
constexpr std::chrono::milliseconds kLongestWait{50};

class EventFd {
 public:
  EventFd() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (fd_ < 0) throw Violation(std::string("eventfd: ") + std::strerror(errno));
  }
  ~EventFd() { close(fd_); }
  EventFd(const EventFd&) = delete;
  EventFd& operator=(const EventFd&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  void set() const { (void)eventfd_write(fd_, 1); }
  // Whether it was set.
  [[nodiscard]] bool clear() const {
    eventfd_t value = 0;
    return eventfd_read(fd_, &value) == 0;
  }

 private:
  int fd_;
};

// The guest's interrupts as descriptors: a thread waits for the events of its domain.
class Interrupts {
 public:
  Interrupts(fakexen::Machine& machine, std::uint32_t domid)
      : machine_(machine), domid_(domid), thread_([this] { run(); }) {}
  ~Interrupts() {
    stop_ = true;
    machine_.nudge(domid_);
    thread_.join();
  }
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  // Each event sets both.
  EventFd readable, writable;

 private:
  void run() {
    const auto born = machine_.domain(domid_);
    std::uint32_t seen = machine_.doorbell(domid_);
    while (born && !stop_) {
      readable.set();
      writable.set();
      std::uint32_t rung = seen;
      while (rung == seen && !stop_) {
        rung = machine_.wait(domid_, seen, kLongestWait);
        const auto now = machine_.domain(domid_);
        if (now && now->life == born->life && !now->dying) continue;
        readable.set();
        return;
      }
      seen = rung;
    }
  }

  fakexen::Machine& machine_;
  std::uint32_t domid_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

class RingLink : public Link {
 public:
  RingLink(fakexen::Machine& machine, support::FakeGuest& guest, OnDepart on_depart)
      : machine_(machine), guest_(guest), on_depart_(std::move(on_depart)) {
    interrupts_.emplace(machine, guest.domid());
  }

  [[nodiscard]] int fd() const override { return interrupts_->readable.fd(); }
  [[nodiscard]] pollfd room() const override { return {interrupts_->writable.fd(), POLLIN, 0}; }
  [[nodiscard]] std::uint32_t domid() const override { return guest_.domid(); }

  long send(std::string_view bytes) override {
    if (full_ && !interrupts_->writable.clear()) return 0;
    check_error();
    std::size_t sent = 0;
    try {
      sent = guest_.send_some(bytes);
    } catch (const support::WireError&) {
      throw Violation("the request ring has impossible indices");
    }
    full_ = sent < bytes.size();
    return static_cast<long>(sent);
  }

  bool receive(std::string& bytes) override {
    if (!interrupts_->readable.clear()) return true;
    const auto domain = machine_.domain(guest_.domid());
    if (!domain || domain->dying) return false;
    check_error();
    const GuestPage& page = guest_.page();
    const std::uint32_t consumer = page.get(GuestPage::kRspCons);
    const std::uint32_t count = page.get(GuestPage::kRspProd) - consumer;
    if (count > kRingSize) throw Violation("the reply ring has impossible indices");
    if (count == 0) return true;
    for (std::uint32_t i = 0; i < count; ++i) {
      bytes.push_back(page.responses()[(consumer + i) % kRingSize]);
    }
    guest_.page().set(GuestPage::kRspCons, consumer + count);
    guest_.notify();
    return true;
  }

  void depart(bool dies) override {
    interrupts_.reset();
    on_depart_(dies);
  }

 private:
  void check_error() const {
    const auto error = guest_.page().get(GuestPage::kError);
    if (error != 0) throw Violation("its ring was frozen with error " + std::to_string(error));
  }

  fakexen::Machine& machine_;
  support::FakeGuest& guest_;
  OnDepart on_depart_;
  std::optional<Interrupts> interrupts_;
  bool full_ = false;
};

}  // namespace

std::unique_ptr<Link> make_ring_link(fakexen::Machine& machine, support::FakeGuest& guest,
                                     OnDepart on_depart) {
  return std::make_unique<RingLink>(machine, guest, std::move(on_depart));
}

}  // namespace vxs::test::kept
