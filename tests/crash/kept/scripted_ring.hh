// The daemon's end of one guest's ring, for the scripted server.
#pragma once

#include <string>
#include <string_view>

#include "tests/fakexen/machine.hh"
#include "tests/support/guest_page.hh"

namespace vxs::test::kept {

class ScriptedRing {
 public:
  // Maps the page and binds the port; `handle` is of Machine::open_handle(). Throws
  // std::runtime_error.
  ScriptedRing(fakexen::Machine& machine, std::uint32_t handle, std::uint32_t domid,
               fakexen::Port remote);
  ~ScriptedRing();
  ScriptedRing(const ScriptedRing&) = delete;
  ScriptedRing& operator=(const ScriptedRing&) = delete;

  [[nodiscard]] std::uint32_t domid() const { return domain_.domid; }
  // The domain it was made for is there and not dying.
  [[nodiscard]] bool lives() const;
  // It is another one on the same domid, or none.
  [[nodiscard]] bool is_of_another_life() const;

  // The guest asks for a fresh ring (A20).
  [[nodiscard]] bool wants_anew() const;
  // Indices, words and features as at an introduction.
  void begin_anew();
  void rebind(fakexen::Port remote);

  // Appends what is there; `silent`: without an event.
  void receive(std::string& bytes, bool silent);
  // As much as there is room for.
  std::size_t send(std::string_view bytes, bool silent);

  [[nodiscard]] support::GuestPage& page() { return page_; }
  // Never lets go of the page.
  void keep_mapped() { keeps_ = true; }

 private:
  fakexen::Machine& machine_;
  std::uint32_t handle_;
  fakexen::Domain domain_;
  support::GuestPage page_;
  fakexen::Port port_ = 0;
  bool keeps_ = false;
};

}  // namespace vxs::test::kept
