#include "tests/support/fake_machine.hh"

#include <csignal>

#include <system_error>
#include <thread>

namespace vxs::support {
namespace {

template <typename Value>
Value checked(fakexen::Result<Value> result, const char* what) {
  if (!result) throw std::system_error(result.error(), std::generic_category(), what);
  if constexpr (!std::is_void_v<Value>) return *result;
}

template <typename Condition>
bool eventually(std::chrono::milliseconds timeout, Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

}  // namespace

FakeMachine::FakeMachine() { std::signal(SIGPIPE, SIG_IGN); }

fakexen::Domain FakeMachine::create_domain(uint32_t domid) {
  fakexen::Uuid handle{};
  handle.fill(++handles_);
  return create_domain(domid, handle);
}

fakexen::Domain FakeMachine::create_domain(uint32_t domid, const fakexen::Uuid& handle,
                                           bool has_ring) {
  return checked(machine_.create_domain(domid, handle, has_ring), "create_domain");
}

void FakeMachine::shutdown(uint32_t domid, ShutdownReason reason) {
  checked(machine_.shutdown(domid, reason), "shutdown");
}

void FakeMachine::resume(uint32_t domid) { checked(machine_.resume(domid), "resume"); }

void FakeMachine::destroy(const std::vector<uint32_t>& domids) {
  checked(machine_.destroy(domids), "destroy");
}

bool FakeMachine::gone(uint32_t domid, std::chrono::milliseconds timeout) {
  return eventually(timeout, [&] {
    machine_.reap();
    return !machine_.domain(domid);
  });
}

bool FakeMachine::heard(std::chrono::milliseconds timeout) {
  return eventually(timeout, [&] { return !machine_.virq_waits(fakexen::kVirqDomExc); });
}

fakexen::Port FakeMachine::soft_reset(uint32_t domid) {
  return checked(machine_.soft_reset(domid), "soft_reset");
}

}  // namespace vxs::support
