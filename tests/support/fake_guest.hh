// A guest that speaks Xenstore over its ring, from any process. dom0's kernel is the guest of
// domain 0: its ring is /proc/xen/xsd_kva, and nobody introduces it.
#pragma once

#include "tests/fakexen/machine.hh"
#include "tests/support/frame_client.hh"
#include "tests/support/guest_page.hh"

namespace vxs::support {

// Waits as a real guest does, for events and nothing else: bytes that come without one end in a
// WireError at the deadline. The domain's end is a WireError too; so is a ring with indices no
// daemon may leave behind. Not thread-safe; several guests may share a machine.
class FakeGuest : public FrameClient {
 public:
  // The domain exists. Throws std::system_error. The machine must outlive the guest.
  FakeGuest(fakexen::Machine& machine, uint32_t domid);
  ~FakeGuest() override;
  FakeGuest(FakeGuest&& other) noexcept;
  FakeGuest& operator=(FakeGuest&&) = delete;

  [[nodiscard]] uint32_t domid() const { return domain_.domid; }
  [[nodiscard]] GuestPage& page() { return page_; }
  [[nodiscard]] fakexen::Port port() const { return domain_.store_port; }
  // What the toolstack sends with INTRODUCE for this domain.
  [[nodiscard]] std::string introduction() const;

  // One event to the daemon; nothing happens if it does not listen.
  void notify();

  // As much of `bytes` as the ring has room for now, with an event unless `silent`. How many.
  size_t send_some(std::string_view bytes, bool silent = false);
  void send_bytes(std::string_view bytes) override;

  // After a new introduction, a soft reset: the new port, nothing half received.
  void start_over();

  // It has another ring page from now on, and so has grant 1: who maps the one before does not hear
  // of it any more. Throws std::system_error.
  void move_page();

  // Whether a field has a value, or gets it within `timeout`.
  bool becomes(GuestPage::Field field, uint32_t value,
               std::chrono::milliseconds timeout = std::chrono::seconds(5));

 private:
  bool fill(Deadline deadline) override;
  // Whether bytes were there.
  bool read_some();
  // False at the deadline.
  bool wait(uint32_t seen, Deadline deadline);
  void check_alive();

  fakexen::Machine* machine_;
  fakexen::Domain domain_;
  GuestPage page_;
};

}  // namespace vxs::support
