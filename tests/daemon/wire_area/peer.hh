// The end of a connection that lives on, and sees to it that no byte is lost, doubled or reordered.
#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "daemon/process/descriptor.hh"
#include "tests/daemon/wire_area/echo.hh"

namespace vxs::daemon::test {

class Peer {
 public:
  Peer(process::Descriptor fd, std::uint64_t connection) : fd_(std::move(fd)), id_(connection) {}

  /// Writes and reads some. False: something was wrong; see problem().
  bool pump(std::mt19937_64& random, bool ask);
  [[nodiscard]] bool waits() const { return answered_ < asked_ || !outgoing_.empty(); }
  [[nodiscard]] std::uint64_t answered() const { return answered_; }
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  void write(std::mt19937_64& random, bool ask);
  bool read(std::mt19937_64& random);
  bool take(const Frame& frame);

  process::Descriptor fd_;
  std::uint64_t id_;
  std::string outgoing_;
  std::string incoming_;
  std::uint64_t asked_ = 0;
  std::uint64_t answered_ = 0;
  std::uint64_t event_due_ = 0;  ///< of the request answered last
  unsigned asleep_ = 0;          ///< so long nothing is read
  std::string problem_;
};

}  // namespace vxs::daemon::test
