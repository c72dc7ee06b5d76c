#include "daemon/core/paths.hh"

#include "daemon/core/server.hh"
#include "protocol/path.hh"

namespace vxs::daemon {

tl::expected<std::string_view, protocol::Error> canonical_path(Server& server,
                                                               const Connection& connection,
                                                               std::string_view raw, Names names) {
  protocol::PathContext context;
  context.base_domid = connection.caller().domid;
  context.is_privileged = connection.caller().privileged;
  context.allow_special = names == Names::kSpecialToo;
  if (!context.is_privileged) {
    const auto limit = server.domains().globals()[config::Quota::kPathMax];
    if (limit != 0) context.guest_limit = limit;
  }
  return protocol::canonicalize_path(raw, context, server.path_scratch());
}

}  // namespace vxs::daemon
