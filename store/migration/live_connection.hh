// What of a connection only the running process knows; its watches are in SystemState.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "protocol/ids.hh"

namespace vxs::store::migration {

/// A plain value. One without descriptor and port is a connection of which only the state is left.
struct LiveConnection {
  ConnectionId id = 0;
  std::optional<DomId> ring{};   ///< the domain of a ring; nothing: a socket
  std::int32_t fd = -1;          ///< socket; -1: none
  std::uint32_t local_port = 0;  ///< ring: our port, in the handle that is handed over; 0: none
  std::string input{};           ///< read and not handled
  std::string output{};          ///< not sent
  std::uint16_t partial = 0;     ///< of `output`: the rest of a frame that was begun
  friend bool operator==(const LiveConnection&, const LiveConnection&) = default;
};

}  // namespace vxs::store::migration
