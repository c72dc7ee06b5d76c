// A machine for a test to play toolstack on: domains come, shut down, die, and their domids come
// again (tests/fakexen/machine.hh says what is modelled). Daemons are told of it by FAKEXEN_DIR.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "tests/fakexen/machine.hh"
#include "tests/support/temp_dir.hh"

namespace vxs::support {

// Reasons of a shutdown, as SHUTDOWN_* in xen/sched.h.
enum ShutdownReason : uint32_t {
  kPoweroff = 0,
  kReboot = 1,
  kSuspend = 2,
  kCrash = 3,
  kSoftReset = 5
};

// What cannot be done throws std::system_error. Writing to a daemon that has just died raises
// SIGPIPE, so the constructor lets this process ignore it.
class FakeMachine {
 public:
  FakeMachine();

  [[nodiscard]] const std::string& dir() const { return dir_.path(); }
  [[nodiscard]] fakexen::Machine& machine() { return machine_; }

  // A domain with a handle no other has, or with a given one.
  fakexen::Domain create_domain(uint32_t domid);
  fakexen::Domain create_domain(uint32_t domid, const fakexen::Uuid& handle, bool has_ring = true);
  void shutdown(uint32_t domid, ShutdownReason reason = kPoweroff);
  void resume(uint32_t domid);
  // At one moment, as a guest and its stub domain die together. They are gone when the daemon has
  // let go of their pages.
  void destroy(const std::vector<uint32_t>& domids);
  void destroy(uint32_t domid) { destroy(std::vector<uint32_t>{domid}); }
  // Whether Xen no longer knows the domid, waiting at most `timeout`.
  bool gone(uint32_t domid, std::chrono::milliseconds timeout = std::chrono::seconds(10));
  // Whether whoever has VIRQ_DOM_EXC took all of it and unmasked it, waiting at most `timeout`.
  bool heard(std::chrono::milliseconds timeout = std::chrono::seconds(10));
  // All event channels close and the domain runs on; the new port for Xenstore.
  fakexen::Port soft_reset(uint32_t domid);
  // VIRQ_DOM_EXC without a reason.
  void raise_domain_exception() { machine_.raise_virq(fakexen::kVirqDomExc); }

 private:
  TempDir dir_{"/dev/shm"};
  fakexen::Machine machine_{dir_.path()};
  uint8_t handles_ = 0;
};

}  // namespace vxs::support
