#include "daemon/core/server.hh"

#include <fmt/format.h>

#include <algorithm>

namespace vxs::daemon {

using protocol::Error;
using protocol::Header;
using protocol::MessageType;

namespace {

/// G6: replies up to this size are never refused: OK and all errors.
constexpr std::size_t kSmallReply = 16;
constexpr std::string_view kNoMemory{"ENOMEM\0", 7};

}  // namespace

Server::Server(const ServerOptions& options, store::Journal& journal, Clock& clock,
               transactions::Head& head, Domains& domains, Observer& observer, Xen xen)
    : options_(options),
      journal_(journal),
      clock_(clock),
      head_(head),
      domains_(domains),
      observer_(observer),
      accounts_(clock, observer, domains, options.journal_budget_bytes),
      branches_(options.pins),
      live_update_(*this),
      control_(*this),
      rings_(xen.rings != nullptr ? *xen.rings : no_rings_),
      lifecycle_(*this, domains, xen.hypervisor, rings_, options.lifecycle),
      next_connection_(options.first_connection) {
  released_seq_ = journal_.safe_seq();
  accounts_.add_tree(head_.tree());
  head_.set_ledger(&accounts_);
  if (!journal_.immediate()) trail_.begin({});
  keep_version();
}

Server::~Server() { head_.set_ledger(nullptr); }

// --- connections -------------------------------------------------------------

Connection& Server::add_connection(Connection::Peer peer) {
  auto connection = std::make_unique<Connection>(std::move(peer));
  Connection& added = *connection;
  connections_.emplace(added.id(), std::move(connection));
  open_account(added);
  observer_.object(true, "connection", &added);
  return added;
}

void Server::remove_connection(Connection& connection) {
  live_update_.connection_ended(connection.id());
  watches_.remove_all(connection);
  drop_branches(connection);
  std::erase(dirty_list(connection), &connection);
  std::erase(waiting_, &connection);
  std::erase(expiring_, &connection);
  forget_held(connection);
  observer_.object(false, "connection", &connection);
  const auto account = connection.account;
  connections_.erase(connection.id());
  if (account) accounts_.close(account->owner());
}

Connection* Server::find_connection(ConnectionId id) noexcept {
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : found->second.get();
}

void Server::mark_dirty(Connection& connection) {
  if (connection.dirty) return;
  connection.dirty = true;
  dirty_list(connection).push_back(&connection);
}

void Server::take_dirty(std::vector<Connection*>& out) {
  out.clear();
  out.swap(dirty_);
  for (Connection* connection : out) connection->dirty = false;
}

void Server::take_dirty_rings(std::vector<Connection*>& out) {
  out.clear();
  out.swap(dirty_rings_);
  for (Connection* connection : out) connection->dirty = false;
}

void Server::drop_session(Connection& connection) {
  watches_.remove_all(connection);
  connection.next_watch = 0;
  drop_branches(connection);
  connection.pending.reset();
  live_update_.connection_ended(connection.id());
  connection.parked = false;
  forget_held(connection);
  connection.outbox.clear();
  if (connection.waiting) {
    connection.waiting = false;
    std::erase(waiting_, &connection);
  }
  mark_dirty(connection);
}

void Server::freeze(Connection& connection) {
  if (connection.frozen) return;
  drop_session(connection);
  connection.frozen = true;
  lifecycle_.session_ended(connection);
}

void Server::reset_ring(Connection& connection) {
  drop_session(connection);
  connection.frozen = false;
  connection.doomed = false;
  lifecycle_.session_ended(connection);
}

void Server::mark_waiting(Connection& connection, Seq required) {
  if (connection.waiting || required <= released_seq()) return;
  connection.waiting = true;
  waiting_.push_back(&connection);
}

// --- requests ----------------------------------------------------------------

void Server::handle(Connection& connection, const Header& header, std::string_view payload) {
  ++connection.ordinal;
  begin(connection, header, payload);
}

void Server::begin(Connection& connection, const Header& header, std::string_view payload) {
  ++counters_.requests;
  if (observer_.tracing()) observer_.request_in(connection, header.type, payload);
  if (starts_held_ && hold_start(connection, header, payload)) return;
  if (connection.account == nullptr) {
    dispatch(connection, header, payload);
    return;
  }
  if (hold(connection, header, payload)) return;
  cause_ = std::make_shared<RequestInFlight>(connection.account);
  causer_ = &connection;
  dispatch(connection, header, payload);
  causer_ = nullptr;
  cause_.reset();
}

void Server::dispatch(Connection& connection, const Header& header, std::string_view payload) {
  Request request{.connection = connection, .header = header, .payload = payload};
  const HandlerEntry& entry = handler_for(header.type);
  Reply reply;
  if (entry.handler == nullptr) {
    reply = reply_error(Error::kNosys);
  } else if (entry.privileged && !connection.caller().privileged) {
    reply = reply_error(Error::kAcces);
  } else {
    bool known = true;
    if (header.tx_id != 0 && entry.transactional) {
      const auto found = connection.branches.find(header.tx_id);
      known = found != connection.branches.end();
      if (known) request.branch = found->second.get();
    }
    if (known) {
      current_ = {connection.id(), connection.ordinal};
      reply = entry.handler(*this, request);
      current_ = {};
    } else {
      reply = reply_error(Error::kNoent);
    }
  }
  if (reply.sent) return;

  answer(request, reply);
}

void Server::answer(const Request& request, const Reply& reply) {
  const Seq required = reply.from_head ? journal_.last_seq() : 0;
  if (required > released_seq()) {
    // What a rollback needs to answer anew.
    request.connection.pending = Connection::Pending{.header = request.header,
                                                     .payload = std::string(request.payload),
                                                     .ok = reply.ok,
                                                     .error = reply.error,
                                                     .data = std::string(reply.data),
                                                     .wrote = reply.wrote,
                                                     .required = required};
  }
  send_reply(request.connection, request.header, reply);
}

void Server::send_reply(Connection& connection, const Header& request, const Reply& reply) {
  const bool too_big = reply.ok && reply.data.size() > protocol::kMaxPayload;
  const bool ok = reply.ok && !too_big;
  std::string error;
  if (!ok) {
    error = protocol::error_name(too_big ? Error::k2big : reply.error);
    error.push_back('\0');
  }
  std::string_view payload = ok ? reply.data : std::string_view(error);
  std::uint32_t type = ok ? request.type : static_cast<std::uint32_t>(MessageType::kError);
  if (connection.account && payload.size() > kSmallReply &&
      !connection.account->fits(config::Quota::kMemory, payload.size() + protocol::kHeaderSize)) {
    connection.account->hit(config::Quota::kMemory);
    payload = kNoMemory;
    type = static_cast<std::uint32_t>(MessageType::kError);
  }
  if (observer_.tracing()) observer_.reply_out(connection, type, payload);
  const Seq required = reply.from_head ? journal_.last_seq() : 0;
  connection.outbox.append_reply(Header{.type = type,
                                        .req_id = request.req_id,
                                        .tx_id = request.tx_id,
                                        .len = static_cast<std::uint32_t>(payload.size())},
                                 payload, required, released_seq(),
                                 causer_ == &connection ? cause_ : Cause{});
  mark_waiting(connection, required);
  mark_dirty(connection);
  if (connection.outbox.overflowed()) overflow(connection);
}

void Server::answer_parked(Connection& connection, const Header& request, const Reply& reply) {
  connection.parked = false;
  send_reply(connection, request, reply);
}

void Server::overflow(Connection& connection) {
  if (connection.doomed) return;
  observer_.warn(fmt::format("ending {}: no memory for the {} bytes it was to be sent",
                             connection.describe(), connection.outbox.unsent()));
  connection.doomed = true;
}

void Server::send_event(Watch& watch, std::string_view path, Seq required) {
  Connection& connection = *watch.connection;
  if (connection.doomed || connection.frozen || connection.deaf) return;
  if (path.size() + watch.token.size() + 2 > protocol::kMaxPayload) return;  // B9, XSA-324
  // A guest that reads nothing loses events; its ring cannot be closed (A17).
  if (connection.peer().ring &&
      connection.outbox.unsent_event_bytes() >= options_.max_event_bytes) {
    return;
  }
  const bool merge = !path.starts_with('@');
  Outbox::EventTerms terms{.merge = merge, .required = required, .safe = released_seq()};
  if (connection.account) {
    const std::size_t bytes = path.size() + watch.token.size() + 2 + protocol::kHeaderSize;
    if (!connection.account->fits(config::Quota::kMemory, bytes)) {  // D16
      connection.account->hit(config::Quota::kMemory);
      return;
    }
    terms.queued_us = clock_.monotonic_us();
  }
  if (connection.peer().ring && &connection != causer_) terms.cause = cause_;  // G5
  if (!connection.outbox.append_event(path, watch.token, terms)) {
    if (connection.outbox.overflowed()) {
      overflow(connection);
      mark_dirty(connection);
    }
    return;
  }
  if (connection.account && !connection.expiring) {
    connection.expiring = true;
    expiring_.push_back(&connection);
  }
  ++counters_.events;
  if (observer_.tracing()) observer_.event_out(connection, path, watch.token);
  mark_waiting(connection, required);
  mark_dirty(connection);
  if (!connection.peer().ring &&
      connection.outbox.unsent_event_bytes() > options_.max_event_bytes) {
    observer_.warn(fmt::format("closing {}: it left {} bytes of watch events unread (limit {})",
                               connection.describe(), connection.outbox.unsent_event_bytes(),
                               options_.max_event_bytes));
    connection.doomed = true;
  }
}

}  // namespace vxs::daemon
