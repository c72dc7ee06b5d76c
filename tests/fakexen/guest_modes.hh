// What a guest does with itself: honest work that is checked, and the abuse a malicious one may
// try. For tests in one process and for the program fake-guest.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>

#include "tests/support/fake_guest.hh"

namespace vxs::fakexen {

// A guest at work in its home (relative paths): writes, reads, watches, transactions, removals.
// Nobody else may write there: each answer and each awaited event is held against what it wrote.
class BusyGuest {
 public:
  BusyGuest(support::FakeGuest& guest, uint64_t seed) : guest_(guest), random_(seed) {}

  // One piece of work of one to ten requests. Throws support::WireError, also for a wrong answer.
  void work();
  // Requests answered so far.
  [[nodiscard]] uint64_t requests() const { return requests_; }

 private:
  support::Frame call(uint32_t type, const std::string& payload, uint32_t tx_id = 0);
  void expect_ok(const support::Frame& reply, const char* what);
  void check(const std::string& key);
  void watch();
  void transaction();
  unsigned below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }
  std::string key() { return "busy/" + std::to_string(below(8)); }
  std::string value() { return std::string(below(60), 'v') + std::to_string(random_()); }

  support::FakeGuest& guest_;
  std::mt19937_64 random_;
  std::map<std::string, std::string> nodes_;
  uint64_t requests_ = 0;
};

enum class Abuse {
  kIndices,   // any value in any index
  kOverlong,  // a header that announces more than a message may have
  kNoise,     // random bytes all over the page
  kDeaf,      // requests with large replies and watches, and nothing is ever read
};

// One act of abuse, with an event. The bytes written into the page.
size_t abuse(support::FakeGuest& guest, Abuse kind, std::mt19937_64& random);

// Asks for a fresh ring by the handshake (A20) where the daemon offers it; false if it did not come
// within `timeout`.
bool reconnect(support::FakeGuest& guest, std::chrono::milliseconds timeout);

}  // namespace vxs::fakexen
