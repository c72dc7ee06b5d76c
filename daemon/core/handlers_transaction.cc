#include "daemon/core/handlers.hh"
#include "daemon/core/server.hh"
#include "protocol/arguments.hh"

namespace vxs::daemon {

using protocol::Error;

Reply handle_transaction_start(Server& server, const Request& request) {
  if (request.branch != nullptr) return reply_error(Error::kBusy);
  return server.start_transaction(request.connection);
}

Reply handle_transaction_end(Server& server, const Request& request) {
  const auto argument = protocol::one_argument(request.payload);
  if (!argument) return reply_error(argument.error());
  if (*argument != "T" && *argument != "F") return reply_error(Error::kInval);
  if (request.branch == nullptr) return reply_error(Error::kNoent);
  return server.end_transaction(request, *argument == "T");
}

}  // namespace vxs::daemon
