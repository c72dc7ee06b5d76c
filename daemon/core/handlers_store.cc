#include "daemon/core/handlers.hh"
#include "daemon/core/paths.hh"
#include "daemon/core/server.hh"
#include "protocol/arguments.hh"
#include "protocol/permissions.hh"

namespace vxs::daemon {
namespace {

using protocol::Error;
using transactions::Operation;
using transactions::OperationKind;

/// A request whose payload is one path.
Reply run_on_path(Server& server, const Request& request, OperationKind kind,
                  Names names = Names::kOrdinary) {
  const auto argument = protocol::one_argument(request.payload);
  if (!argument) return reply_error(argument.error());
  const auto path = canonical_path(server, request.connection, *argument, names);
  if (!path) return reply_error(path.error());
  return server.run(request, Operation{.kind = kind, .path = *path, .value = {}, .perms = {}});
}

/// B8.4: binds each entry to the life of its domain that exists now; an unknown domain's entry
/// never matches, and an unknown owner is refused.
tl::expected<void, Error> bind_incarnations(Server& server, const Connection& connection,
                                            std::vector<protocol::PermEntry>& entries) {
  // A toolstack makes domains; what it says is about those that exist now.
  const auto check =
      connection.caller().privileged ? Lifecycle::Check::kYes : Lifecycle::Check::kNo;
  bool first = true;
  for (auto& entry : entries) {
    const bool any = entry.domid == kDomIdAny && connection.has_feature(kFeatureDomIdAny);
    if (any) {
      if (first) return tl::unexpected(Error::kInval);
      entry.incarnation = 0;
    } else if (const auto life = server.lifecycle().life_of(entry.domid, check)) {
      entry.incarnation = *life;
    } else {
      if (life.error() != Error::kNoent || first) return tl::unexpected(life.error());
      entry.incarnation = kIncarnationStale;
    }
    first = false;
  }
  return {};
}

}  // namespace

Reply handle_read(Server& server, const Request& request) {
  return run_on_path(server, request, OperationKind::kRead);
}
Reply handle_mkdir(Server& server, const Request& request) {
  return run_on_path(server, request, OperationKind::kMkdir);
}
Reply handle_rm(Server& server, const Request& request) {
  return run_on_path(server, request, OperationKind::kRm);
}
Reply handle_directory(Server& server, const Request& request) {
  return run_on_path(server, request, OperationKind::kDirectory);
}
Reply handle_get_perms(Server& server, const Request& request) {
  return run_on_path(server, request, OperationKind::kGetPerms, Names::kSpecialToo);
}

Reply handle_write(Server& server, const Request& request) {
  const auto parts = protocol::split_first(request.payload);
  if (!parts) return reply_error(parts.error());
  const auto path = canonical_path(server, request.connection, parts->first, Names::kOrdinary);
  if (!path) return reply_error(path.error());
  return server.run(
      request,
      Operation{.kind = OperationKind::kWrite, .path = *path, .value = parts->rest, .perms = {}});
}

Reply handle_directory_part(Server& server, const Request& request) {
  const auto strings = protocol::split_strings<2>(request.payload);
  if (strings.count != 2) return reply_error(Error::kInval);
  const auto path = canonical_path(server, request.connection, strings.at[0], Names::kOrdinary);
  if (!path) return reply_error(path.error());
  return server.run(request, Operation{.kind = OperationKind::kDirectoryPart,
                                       .path = *path,
                                       .value = {},
                                       .perms = {},
                                       .offset = protocol::parse_part_offset(strings.at[1])});
}

Reply handle_set_perms(Server& server, const Request& request) {
  if (protocol::count_strings(request.payload) < 2) return reply_error(Error::kInval);
  if (Account* account = request.connection.account.get()) {  // B8.2
    const std::size_t entries = protocol::count_strings(request.payload) - 1;
    if (!account->allows(config::Quota::kNodePermissions, entries)) {
      account->hit(config::Quota::kNodePermissions);
      return reply_error(Error::kNospc);
    }
    account->saw(config::Quota::kNodePermissions, entries);
  }
  const auto parts = protocol::split_first(request.payload);
  if (!parts) return reply_error(parts.error());
  auto entries = protocol::parse_perm_entries(parts->rest);
  if (!entries) return reply_error(entries.error());
  const auto bound = bind_incarnations(server, request.connection, *entries);
  if (!bound) return reply_error(bound.error());
  const auto path = canonical_path(server, request.connection, parts->first, Names::kSpecialToo);
  if (!path) return reply_error(path.error());
  return server.run(request, Operation{.kind = OperationKind::kSetPerms,
                                       .path = *path,
                                       .value = {},
                                       .perms = server.head().perm_table().intern(*entries)});
}

}  // namespace vxs::daemon
