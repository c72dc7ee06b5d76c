#pragma once
// Domains of the fake machine of a server, started and stopped as a toolstack and its guests do.

#include <cstdint>
#include <map>
#include <string>

#include "tests/bench/block_script.hh"
#include "tests/bench/connection.hh"
#include "tests/bench/generator.hh"
#include "tests/bench/ring_connection.hh"
#include "tests/bench/server.hh"

namespace vxs::bench {

inline constexpr unsigned kGuestWatches = 10;

// One toolstack: a socket of its own, one request at a time. All calls throw BenchError.
class RingGuests {
 public:
  explicit RingGuests(Server& server);

  [[nodiscard]] fakexen::Machine& machine() { return machine_; }

  // A whole start: the domain, the toolstack's 123 requests in 6 transactions (vm_life.hh),
  // INTRODUCE, then the guest's ten watches and the reads and writes of its four front ends. Adds
  // the requests to `load`, and one operation.
  void start(std::uint32_t domid, LoadResult& load);
  // The removal of its nodes, RELEASE, its end; returns when Xen knows it no longer. Adds
  // to `load` likewise.
  void stop(std::uint32_t domid, LoadResult& load);

  // A started guest.
  [[nodiscard]] RingConnection& guest(std::uint32_t domid);

 private:
  void play(const std::vector<Block>& blocks, LoadResult& load);
  void call(MessageType type, const std::string& body);
  [[nodiscard]] Reply reply();
  void boot(RingConnection& guest, std::uint32_t domid, LoadResult& load);

  fakexen::Machine machine_;
  Connection toolstack_;
  std::map<std::uint32_t, RingConnection> guests_;
  std::uint32_t lives_ = 0;
};

}  // namespace vxs::bench
