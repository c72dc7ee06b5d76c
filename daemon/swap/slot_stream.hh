// A connection as the state stream has it, and as a slot of the wire area has it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/wire_area/wire_slot.hh"
#include "store/migration/live_connection.hh"

namespace vxs::swap {

/// Transactions that end with the daemon before are unknown to the next one. Ids begin here, where
/// none of those can be.
inline constexpr TxId kFirstTxId = 1U << 24;

/// Puts what is on its way into a slot that was just opened: input that was not handled, output
/// that was not sent, from the middle of a frame if one was sent in part. False: more than a slot
/// holds (the input of a client that keeps the limits of the protocol always fits), or no memory.
[[nodiscard]] bool fill_slot(const store::migration::LiveConnection& from, daemon::WireSlot& slot);

/// The other way: what is published in a slot. It names no descriptor and no port.
[[nodiscard]] store::migration::LiveConnection read_slot(const daemon::WireSlot& slot);

/// Some bytes such that with `rest`, the end of a frame of which nobody knows the beginning any
/// more, they are one frame: what was "sent" of it. 1 to 16 bytes. REQUIRES: 0 < rest.size() <
/// 4112.
[[nodiscard]] std::string missing_front(std::string_view rest);

}  // namespace vxs::swap
