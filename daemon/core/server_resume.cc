// Connections that outlive the process: taken up after a restart (design §6).
#include <fmt/format.h>

#include <utility>

#include "daemon/core/paths.hh"
#include "daemon/core/server.hh"
#include "protocol/arguments.hh"

namespace vxs::daemon {

using protocol::Error;
using protocol::Header;
using protocol::MessageType;

Connection& Server::resume_connection(Connection::Peer peer, const store::SystemState& state,
                                      const KeptSession& kept) {
  note_connection_id(peer.id);
  Connection& connection = add_connection(std::move(peer));
  lifecycle_.take_watches(connection, state);
  resume_session(connection, kept);
  return connection;
}

void Server::resume_session(Connection& connection, const KeptSession& kept) {
  connection.ordinal = kept.handled;
  connection.next_tx = kept.next_tx;
  connection.log = kept.go_on;
  const auto open = transactions::read_branch_log(kept.log, head_.perm_table());
  if (!open) {
    observer_.error(fmt::format("the transactions of {} are lost: byte {} of their log: {}",
                                connection.describe(), open.error().offset, open.error().what));
    return;
  }
  for (const auto& one : *open) {
    auto branch = transactions::Branch::resume(head_, connection.caller(), one.id, one.entries,
                                               connection.log->key(), connection.account.get());
    if (connection.account) {
      connection.account->add_transactions(1, static_cast<std::int64_t>(branch->log_bytes()));
    }
    add_branch(connection, std::move(branch));
  }
}

void Server::answer_carried_out(Connection& connection, const Header& header,
                                std::string_view payload, const store::CarriedOut& done) {
  ++connection.ordinal;
  if (done.tx_id != 0) drop_branch(connection, done.tx_id);
  const auto type = static_cast<MessageType>(header.type);
  if (type == MessageType::kResetWatches) drop_branches(connection);
  send_reply(connection, header, done.conflict ? reply_error(Error::kAgain) : reply_data());
  if (type != MessageType::kWatch) return;
  // The event that every new watch begins with (B9).
  const auto strings = protocol::split_strings<3>(payload);
  if (strings.count < 2) return;
  const auto path = canonical_path(*this, connection, strings.at[0], Names::kSpecialToo);
  if (!path) return;
  const auto found = connection.watches.find(Watches::key(*path, strings.at[1]));
  if (found == connection.watches.end()) return;
  send_event(found->second, Watches::visible_path(found->second, found->second.path), 0);
}

void Server::refuse_poison(Connection& connection, const Header& header, std::string_view payload,
                           unsigned deaths) {
  ++connection.ordinal;
  observer_.error(fmt::format(
      "refusing request {} of {} with EIO and ending the connection: the daemon died {} "
      "times in a row while it carried it out (type {}, {} bytes)",
      connection.ordinal, connection.describe(), deaths, header.type, payload.size()));
  // Whoever died of keeping it does not try again.
  if (deaths <= 2) observer_.poison(connection, header, payload);
  send_reply(connection, header, reply_error(Error::kIo));
  connection.doomed = true;
}

void Server::session_closed(Connection& connection) {
  if (!connection.peer().kept || connection.watches.empty()) return;
  forget_session(connection.id());
}

void Server::forget_session(ConnectionId connection) {
  // If the journal cannot take it, nothing is lost: the number is never given again, and a session
  // without a connection is forgotten at the next start.
  (void)record_state(store::ConnectionReset{.connection = connection, .frozen = false},
                     Completes::kStep);
}

void Server::forget_lost_sessions(const store::SystemState& state) {
  for (const auto& [id, session] : state.connections) {
    if (!connections_.contains(id) && !lifecycle_.waits(id)) forget_session(id);
  }
}

void Server::fire_again(const ReplayedEvents& replayed) {
  for (const auto& event : replayed.events()) {
    const auto emit = [&](Watch& watch, std::string_view path) { send_event(watch, path, 0); };
    for (const auto& one : event.paths) {
      transactions::Fired fired = one.fired;
      fired.path = one.path;
      watches_.fire(fired, event.before, event.after, emit);
    }
    if (event.special.empty()) continue;
    watches_.fire_special(event.special, {}, event.after, emit);
    if (event.domid) watches_.fire_special(event.special, event.domid, event.after, emit);
  }
}

}  // namespace vxs::daemon
