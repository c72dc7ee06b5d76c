#pragma once
// A guest of the fake machine at its Xenstore ring: a blocking client that waits by the event
// channel's doorbell, as a guest's kernel does. Not for use by two threads; several may share a
// machine.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "tests/bench/wire.hh"
#include "tests/fakexen/machine.hh"
#include "tests/support/guest_page.hh"

namespace vxs::bench {

class RingConnection {
 public:
  // Maps the ring of an existing domain; throws BenchError. `machine` must outlive it.
  RingConnection(fakexen::Machine& machine, std::uint32_t domid);
  ~RingConnection();
  RingConnection(RingConnection&& other) noexcept;
  RingConnection& operator=(RingConnection&&) = delete;
  RingConnection(const RingConnection&) = delete;
  RingConnection& operator=(const RingConnection&) = delete;

  // The body of the INTRODUCE for this domain.
  [[nodiscard]] std::string introduction() const;

  // Append one request to this, then call exchange().
  [[nodiscard]] std::string& output() { return output_; }

  // Sends the output and waits for the next reply; events on the way are dropped. One event is
  // sent for each piece of a request, and one for a full ring of replies that was emptied, as
  // Linux does. Throws BenchError when the daemon does not answer within a minute. The reply is
  // valid until the next call.
  [[nodiscard]] Reply exchange();

  // Drops the events that have come since.
  void drop_events();

 private:
  // True when bytes were moved.
  bool push();
  bool pull();
  [[nodiscard]] std::optional<Reply> next();
  [[nodiscard]] std::optional<Reply> next_reply();

  fakexen::Machine* machine_;
  fakexen::Domain domain_;
  support::GuestPage page_;
  std::string output_;
  std::size_t sent_ = 0;
  std::string input_;
  std::size_t taken_ = 0;
};

}  // namespace vxs::bench
