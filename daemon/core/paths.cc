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
    const auto limit = connection.account ? connection.account->limit(config::Quota::kPathMax)
                                          : server.domains().globals()[config::Quota::kPathMax];
    if (limit != 0) context.guest_limit = limit;
  }
  auto path = protocol::canonicalize_path(raw, context, server.path_scratch());
  if (path && connection.account) {
    connection.account->saw(config::Quota::kPathMax, protocol::guest_path_length(*path));
  } else if (connection.account && raw.size() > context.guest_limit) {
    connection.account->hit(config::Quota::kPathMax);
  }
  return path;
}

}  // namespace vxs::daemon
