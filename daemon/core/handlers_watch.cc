#include "daemon/core/handlers.hh"
#include "daemon/core/paths.hh"
#include "daemon/core/server.hh"
#include "protocol/arguments.hh"
#include "protocol/path.hh"

namespace vxs::daemon {

using protocol::Error;

namespace {

/// The number of watches before their memory (B9).
std::optional<Error> refused_by_quota(const Connection& connection, const Watch& watch) {
  if (!connection.account) return std::nullopt;
  Account& account = *connection.account;
  if (!account.fits(config::Quota::kWatches, 1)) {
    account.hit(config::Quota::kWatches);
    return Error::kNospc;
  }
  if (!account.fits(config::Quota::kMemory, watch.path.size() + watch.token.size())) {
    account.hit(config::Quota::kMemory);
    return Error::kNomem;
  }
  return std::nullopt;
}

/// A kept connection's watches are records, and the answer waits for them.
Reply recorded(const Connection& connection) {
  Reply reply = reply_data();
  reply.wrote = connection.peer().kept;
  reply.from_head = reply.wrote;
  return reply;
}

}  // namespace

Reply handle_watch(Server& server, const Request& request) {
  Connection& connection = request.connection;
  const auto strings = protocol::split_strings<3>(request.payload);
  const std::size_t most = connection.has_feature(kFeatureWatchDepth) ? 3 : 2;
  if (strings.count < 2 || strings.count > most) {
    return reply_error(Error::kInval);
  }
  Watch watch;
  if (strings.count == 3) {
    const auto depth = protocol::parse_watch_depth(strings.at[2]);
    if (!depth) return reply_error(depth.error());
    watch.depth = *depth;
  }
  const std::string_view raw = strings.at[0];
  const auto path = canonical_path(server, connection, raw, Names::kSpecialToo);
  if (!path) return reply_error(path.error());
  watch.path = *path;
  watch.token = strings.at[1];
  if (!raw.starts_with('/') && !raw.starts_with('@')) {
    watch.hidden_prefix = path->size() - raw.size();
  }
  if (server.watches().has(connection, *path, watch.token)) return reply_error(Error::kExist);
  if (const auto refused = refused_by_quota(connection, watch)) return reply_error(*refused);
  const auto kept = server.lifecycle().watch_added(
      connection, store::WatchAdded{.connection = connection.id(),
                                    .path = *path,
                                    .token = watch.token,
                                    .depth = watch.depth,
                                    .relative = watch.hidden_prefix != 0});
  if (!kept) return reply_error(kept.error());
  const auto added = server.watches().add(connection, std::move(watch));
  if (!added) return reply_error(added.error());
  server.observer().object(true, "watch", *added);

  Reply reply = recorded(connection);
  server.answer(request, reply);
  // The initial event says the path as the client spelled it and asks nobody's permission (B9).
  server.send_event(**added, Watches::visible_path(**added, (*added)->path),
                    reply.wrote ? server.journal().last_seq() : 0);
  reply.sent = true;
  return reply;
}

Reply handle_unwatch(Server& server, const Request& request) {
  const auto strings = protocol::split_strings<2>(request.payload);
  if (strings.count != 2) return reply_error(Error::kInval);
  const auto path = canonical_path(server, request.connection, strings.at[0], Names::kSpecialToo);
  if (!path) return reply_error(path.error());
  Connection& connection = request.connection;
  if (!server.watches().has(connection, *path, strings.at[1])) return reply_error(Error::kNoent);
  const auto kept = server.lifecycle().watch_removed(connection, *path, strings.at[1]);
  if (!kept) return reply_error(kept.error());
  (void)server.watches().remove(connection, *path, strings.at[1]);
  if (connection.peer().kept && connection.watches.empty()) connection.next_watch = 0;
  return recorded(connection);
}

Reply handle_reset_watches(Server& server, const Request& request) {
  Connection& connection = request.connection;
  const auto kept = server.lifecycle().watches_reset(connection);
  if (!kept) return reply_error(kept.error());
  server.watches().remove_all(connection);
  connection.next_watch = 0;
  server.drop_branches(connection);
  return recorded(connection);
}

}  // namespace vxs::daemon
