#include "daemon/core/connection.hh"

#include <fmt/format.h>

#include "protocol/escape.hh"

namespace vxs::daemon {

std::string Connection::describe() const {
  std::string text = fmt::format("dom{} connection {}", peer_.caller.domid, peer_.id);
  if (peer_.pid != 0) {
    text += fmt::format(" (pid {} {})", peer_.pid, protocol::escaped(peer_.command));
  }
  return text;
}

}  // namespace vxs::daemon
