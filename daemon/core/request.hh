// A request on its way through a handler, and what the handler answers.
#pragma once

#include <string_view>

#include "daemon/core/connection.hh"
#include "protocol/error.hh"
#include "protocol/wire.hh"
#include "transactions/branch.hh"

namespace vxs::daemon {

class Server;

struct Request {
  Connection& connection;
  const protocol::Header& header;
  std::string_view payload;
  transactions::Branch* branch = nullptr;  ///< the transaction of header.tx_id; nullptr outside

  [[nodiscard]] protocol::MessageType type() const noexcept {
    return static_cast<protocol::MessageType>(header.type);
  }
};

/// The answer to a request. `data` lives until the next request.
struct Reply {
  bool ok = false;
  protocol::Error error = protocol::Error::kInval;
  std::string_view data;
  bool sent = false;   ///< the handler queued the reply itself (WATCH: before its event, B0.8)
  bool wrote = false;  ///< a record was appended
  /// True if the answer was taken from the head, so that it waits until all that the head contains
  /// is safe; false for one that depends on nothing unsafe (inside a transaction the base was safe
  /// when START was answered).
  bool from_head = false;
};

inline constexpr std::string_view kReplyOk{"OK\0", 3};

[[nodiscard]] inline Reply reply_error(protocol::Error error) {
  return Reply{.ok = false, .error = error, .data = {}};
}
[[nodiscard]] inline Reply reply_data(std::string_view data = kReplyOk) {
  return Reply{.ok = true, .data = data};
}

/// One handler per message type: parses the payload, checks in the order the conformance item says,
/// acts through the Server.
using Handler = Reply (*)(Server& server, const Request& request);

struct HandlerEntry {
  Handler handler = nullptr;
  bool privileged = false;  ///< unprivileged callers get EACCES before anything is looked at (B0.3)
  bool transactional = true;  ///< looks up header.tx_id; false for WATCH and UNWATCH (B0.1)
};

/// The entry of a message type; handler is nullptr for a type that answers ENOSYS.
[[nodiscard]] const HandlerEntry& handler_for(std::uint32_t type) noexcept;

}  // namespace vxs::daemon
