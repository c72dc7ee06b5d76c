// What the wire area's tests share: small areas, restarts, and a look at what lies in memory.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/process/descriptor.hh"
#include "daemon/wire_area/layout.hh"
#include "daemon/wire_area/wire_area.hh"

namespace vxs::daemon::test {

inline constexpr WireArea::Options kSmall{
    .slots = 8, .output_limit = 1024 * 1024, .log_limit = 256 * 1024};

/// A new area; ends the test program if there is none.
std::unique_ptr<WireArea> make_area(const WireArea::Options& options = kSmall);
/// Adopts a duplicate of `fd`; ends the test program, saying why, if that fails.
std::unique_ptr<WireArea> adopt(int fd);
/// The process dies, another one takes up what it left.
std::unique_ptr<WireArea> restart(std::unique_ptr<WireArea> area);
/// A slot of `area`, which must have room.
WireSlot& open_slot(WireArea& area, ConnectionId connection, WireKind kind = WireKind::kSocket);
/// The open slot of `connection`; nullptr: none.
WireSlot* find_slot(const WireArea& area, ConnectionId connection);

/// A second mapping of an area, as a test sees and damages it.
class RawArea {
 public:
  explicit RawArea(int fd);
  ~RawArea();
  RawArea(const RawArea&) = delete;
  RawArea& operator=(const RawArea&) = delete;
  [[nodiscard]] char* at(std::uint64_t offset) const { return base_ + offset; }
  [[nodiscard]] wire_layout::Header& header() const;
  [[nodiscard]] wire_layout::Geometry geometry() const;
  [[nodiscard]] std::uint32_t& state(std::uint32_t index) const;
  [[nodiscard]] wire_layout::Control& control(std::uint32_t index) const;

 private:
  char* base_;
  std::uint64_t size_;
};

/// Pages of memory an area holds.
std::uint64_t pages_of(int fd);

/// A connected pair of stream sockets that do not block.
struct Pair {
  process::Descriptor ours;
  process::Descriptor peer;
};
Pair make_pair();
/// Writes all of `bytes` to a socket that has room for them.
void write_all(int fd, std::string_view bytes);
/// Everything a socket holds now.
std::string read_all(int fd);

/// `size` bytes that differ from position to position and from `seed` to `seed`.
std::string pattern(std::uint64_t seed, std::size_t size);

}  // namespace vxs::daemon::test
