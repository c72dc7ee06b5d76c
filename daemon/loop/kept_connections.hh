// The connections that outlive the process (design §6): their slots in the wire area, and those of
// sockets' descriptors at the supervisor. What SocketServer and RingServer need to keep a client.
//
// The order in which a connection ends: shutdown(), its slot, its descriptor at the supervisor,
// close(). So a descriptor without a slot is a new client or one that ends, and a slot without a
// descriptor cannot be but after a loss of the supervisor's. Slots may be lost too (damage, another
// layout): then the socket itself tells a new client from one in the middle of its stream.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "daemon/core/connection.hh"
#include "daemon/keeper/keeper.hh"
#include "daemon/process/descriptor.hh"
#include "daemon/wire_area/wire_area.hh"
#include "transactions/answer_hash.hh"

namespace vxs::daemon {

/// The area's name at the supervisor.
inline constexpr const char* kWireAreaName = "wire-area";

/// One thread.
class KeptConnections {
 public:
  /// Takes up what the supervisor kept for us (`inheritance`: the area and the clients; the rest
  /// stays there), or begins an area and has it kept. Errors: a sentence for the log; connections
  /// are volatile then. `keeper` outlives this object. `adopt_only`: no new area is begun, and one
  /// that is not whole is an error; nothing that the supervisor keeps changes.
  [[nodiscard]] static tl::expected<std::unique_ptr<KeptConnections>, std::string> open(
      keeper::Keeper& keeper, keeper::Inheritance& inheritance, bool adopt_only = false);

  /// An area for as many connections as there is address space for, with a tag of its own. Errors:
  /// as open().
  [[nodiscard]] static tl::expected<std::unique_ptr<WireArea>, std::string> begin_area();

  /// Of an area alone, without a supervisor: rings can be kept, and no clients.
  [[nodiscard]] static std::unique_ptr<KeptConnections> over(std::unique_ptr<WireArea> area);

  /// Ends what was kept: connections are volatile from now on.
  static void forget_all(keeper::Keeper& keeper, keeper::Inheritance& inheritance);

  /// The state the slots belong to is lost: no connection can go on as if nothing had happened.
  /// Ends all survivors; returns how many.
  std::size_t forget_all();

  /// A client that was connected when the last process died.
  struct Survivor {
    WireSlot* slot;
    process::Descriptor fd;
  };
  /// Once: those who go on. A slot whose descriptor is gone is closed here.
  [[nodiscard]] std::vector<Survivor> take_survivors();
  /// Once, afterwards: descriptors that no process received from, by number. Others whose slots are
  /// lost end here: nobody knows where in a request or reply they are.
  [[nodiscard]] std::map<std::uint64_t, process::Descriptor> take_newcomers();

  /// The number in a client's name; nothing if it is none.
  [[nodiscard]] static std::optional<std::uint64_t> client_number(std::string_view name);
  /// A slot for a new client, whose descriptor's name is client-<number>. nullptr if there is none.
  [[nodiscard]] WireSlot* add(const Connection::Peer& peer, std::uint64_t number);
  /// The end of a client: forgets slot and kept descriptor, and closes.
  void end(WireSlot& slot, process::Descriptor fd);
  /// A client that never got a slot.
  void refuse(std::uint64_t number, process::Descriptor fd);

  // --- rings -------------------------------------------------------------------
  // A ring has no descriptor: its slot is matched by the number of its connection, which its
  // domain's record has. Those of the last process wait here until they are taken or forgotten.

  /// The slot that waits for this connection of `domid`, once. nullptr: none.
  [[nodiscard]] WireSlot* take_ring(ConnectionId connection, DomId domid);
  /// One for a ring that has none. nullptr: there is no room; said by the caller.
  [[nodiscard]] WireSlot* add_ring(const Connection::Peer& peer, Seq begun);
  void end_ring(WireSlot& slot) { area_->close_slot(slot); }
  /// Forgets those that wait, but for those that `stays` says.
  void forget_rings(const std::function<bool(const WireSlot&)>& stays = {});

  /// Of the transactions' logs.
  [[nodiscard]] transactions::HashKey hash_key() const noexcept {
    return {.low = area_->tag(), .high = ~area_->tag()};
  }
  /// Every event of records up to `seq` is published.
  void published(Seq seq) { area_->set_published_seq(seq); }
  [[nodiscard]] Seq published_seq() const noexcept { return area_->published_seq(); }

  // --- poison (design §5) ----------------------------------------------------
  void begin_request(const WireSlot& slot, std::uint64_t ordinal) noexcept {
    area_->begin_request(slot, ordinal);
  }
  void end_request() noexcept { area_->end_request(); }
  /// How many processes in a row died while they carried out this request, or refused it.
  [[nodiscard]] unsigned deaths_in(const WireSlot& slot, std::uint64_t ordinal) const noexcept;
  /// This request was being carried out in two crashes in a row.
  [[nodiscard]] bool is_poison(const WireSlot& slot, std::uint64_t ordinal) const noexcept;

  /// All of them, whoever serves them.
  [[nodiscard]] std::vector<WireSlot*> open_slots() const { return area_->open_slots(); }
  [[nodiscard]] std::uint64_t restarts() const noexcept { return area_->restarts(); }
  [[nodiscard]] std::size_t open_count() const noexcept { return area_->open_count(); }

 private:
  KeptConnections(keeper::Keeper* keeper, std::unique_ptr<WireArea> area);
  void release(std::uint64_t number);
  void take_clients(keeper::Inheritance& inheritance);

  keeper::Keeper* keeper_;  ///< nullptr: there are no clients
  std::unique_ptr<WireArea> area_;
  std::map<std::uint64_t, process::Descriptor> inherited_;  ///< clients, by number
  std::multimap<DomId, WireSlot*> rings_;                   ///< that nobody took yet
};

}  // namespace vxs::daemon
