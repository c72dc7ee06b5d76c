// The memory in which connections outlive the process (design §6): a memfd that the supervisor
// keeps, with a slot per connection. Begin here; then wire_slot.hh.
//
// It holds the truth about bytes moved and nothing else, and only a crash of the process needs it:
// it is never synced and goes with the machine's memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "daemon/process/descriptor.hh"
#include "daemon/wire_area/area_file.hh"
#include "daemon/wire_area/layout.hh"
#include "daemon/wire_area/wire_slot.hh"
#include "protocol/ids.hh"

namespace vxs::daemon {

/// One thread. One process at a time: the successor adopts when its predecessor is dead or has
/// let go.
class WireArea {
 public:
  /// Sizes of a new area. It is sparse: only pages in use cost memory. Address space is taken for
  /// all of it, 3 * (output_limit + log_limit) + 16 KiB per slot: 960 GiB by default.
  struct Options {
    std::uint32_t slots = 8192;                     ///< at most 2^20 - 1
    std::uint64_t output_limit = 32 * 1024 * 1024;  ///< bytes a connection's output may hold
    std::uint64_t log_limit = 8 * 1024 * 1024;      ///< and the log of its transactions
  };
  /// Error: what cannot be had, for the log.
  [[nodiscard]] static tl::expected<std::unique_ptr<WireArea>, std::string> create(
      const Options& options);
  /// Takes up what a predecessor left: counts the bytes it had sent but not noted (what it had
  /// received: WireSlot::attach()). Slots whose words cannot be true are freed and named in
  /// damage(). Error: not a wire area, of another layout, or its header is damaged.
  [[nodiscard]] static tl::expected<std::unique_ptr<WireArea>, std::string> adopt(
      process::Descriptor fd);

  WireArea(const WireArea&) = delete;
  WireArea& operator=(const WireArea&) = delete;
  /// Slots stay open: this is not the end of the connections. All WireSlots end here.
  ~WireArea();

  /// To be kept by the supervisor. This object's; dup() it to keep it longer.
  [[nodiscard]] int fd() const noexcept { return file_.fd(); }
  /// One line per slot that adopt() freed.
  [[nodiscard]] const std::vector<std::string>& damage() const noexcept { return damage_; }

  struct NewSlot {
    ConnectionId connection = 0;
    WireKind kind = WireKind::kSocket;
    std::uint64_t descriptor = 0;
    WirePeer peer;
    Seq ring_begun = 0;  ///< WireSlot::ring_begun()
  };
  /// A slot for a new connection, its streams empty and at position 0; valid until close_slot().
  /// Errors: ENOSPC: all are in use; ENOMEM.
  [[nodiscard]] tl::expected<WireSlot*, int> open_slot(const NewSlot& slot);
  /// Forgets the connection, in one step. `slot` ends here.
  void close_slot(WireSlot& slot) noexcept;
  /// The open ones, by index.
  [[nodiscard]] std::vector<WireSlot*> open_slots() const;
  [[nodiscard]] std::uint32_t open_count() const noexcept { return open_; }
  [[nodiscard]] std::uint32_t slot_count() const noexcept { return header().slots; }

  // --- of the whole daemon ---------------------------------------------------
  /// Every event of records up to it is in its connection's output.
  [[nodiscard]] Seq published_seq() const noexcept { return header().published_seq; }
  void set_published_seq(Seq seq) noexcept { wire_layout::store_word(header().published_seq, seq); }
  /// The owner's mark, 0 at first: which journal the area belongs to.
  [[nodiscard]] std::uint64_t tag() const noexcept { return header().tag; }
  void set_tag(std::uint64_t tag) noexcept { wire_layout::store_word(header().tag, tag); }
  /// How often the area was adopted.
  [[nodiscard]] std::uint64_t restarts() const noexcept { return header().restarts; }

  // --- poison (design §5) ----------------------------------------------------
  /// Names the request that is carried out now. `ordinal` counts within the connection. One store.
  void begin_request(const WireSlot& slot, std::uint64_t ordinal) noexcept;
  /// It is over. One store.
  void end_request() noexcept { wire_layout::store_word(header().in_flight, 0); }

  struct Crash {
    std::uint32_t slot = 0;     ///< index
    std::uint64_t ordinal = 0;  ///< of the request, never published
    unsigned count = 0;         ///< deaths in a row while it was carried out, 15 at most
  };
  /// Of an adopted area: the request the predecessor was killed in, if in one. A death between
  /// adoption and begin_request() counts nothing.
  [[nodiscard]] const std::optional<Crash>& crash() const noexcept { return crash_; }

 private:
  explicit WireArea(AreaFile file);
  [[nodiscard]] wire_layout::Header& header() const noexcept {
    return *reinterpret_cast<wire_layout::Header*>(file_.at(0));
  }
  [[nodiscard]] std::span<std::uint32_t> states() const noexcept {
    return {reinterpret_cast<std::uint32_t*>(file_.at(wire_layout::kStatesOffset)), header().slots};
  }
  [[nodiscard]] wire_layout::Geometry geometry() const noexcept;
  [[nodiscard]] WireSlot& slot(std::uint32_t index);
  void adopt_slots();
  void give_back_free_slots() noexcept;
  void adopt_crash();

  AreaFile file_;
  std::vector<std::unique_ptr<WireSlot>> slots_;  ///< by index; nullptr where never needed
  std::vector<std::uint32_t> free_;               ///< taken from the back
  std::vector<std::uint32_t> warm_;               ///< free too, some of their pages kept
  std::uint32_t open_ = 0;
  std::vector<std::string> damage_;
  std::optional<Crash> crash_;
};

}  // namespace vxs::daemon
