#include "daemon/core/server.hh"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace vxs::daemon {

using protocol::Error;
using protocol::Header;
using protocol::MessageType;
using transactions::Decision;

Server::Server(const ServerOptions& options, store::Journal& journal, Clock& clock,
               transactions::Head& head, Domains& domains, Observer& observer)
    : options_(options),
      journal_(journal),
      clock_(clock),
      head_(head),
      domains_(domains),
      observer_(observer),
      branches_(options.pins),
      control_(*this),
      next_connection_(options.first_connection) {
  keep_version();
}

// --- connections -------------------------------------------------------------

Connection& Server::add_connection(Connection::Peer peer) {
  auto connection = std::make_unique<Connection>(std::move(peer));
  Connection& added = *connection;
  connections_.emplace(added.id(), std::move(connection));
  observer_.object(true, "connection", &added);
  return added;
}

void Server::remove_connection(Connection& connection) {
  watches_.remove_all(connection);
  drop_branches(connection);
  std::erase(dirty_list(connection), &connection);
  std::erase(waiting_, &connection);
  observer_.object(false, "connection", &connection);
  connections_.erase(connection.id());
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
  drop_branches(connection);
  connection.pending.reset();
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
}

void Server::reset_ring(Connection& connection) {
  drop_session(connection);
  connection.frozen = false;
  connection.doomed = false;
}

void Server::mark_waiting(Connection& connection, Seq required) {
  if (connection.waiting || required <= journal_.safe_seq()) return;
  connection.waiting = true;
  waiting_.push_back(&connection);
}

// --- requests ----------------------------------------------------------------

void Server::handle(Connection& connection, const Header& header, std::string_view payload) {
  ++counters_.requests;
  if (observer_.tracing()) observer_.request_in(connection, header.type, payload);

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
    reply = known ? entry.handler(*this, request) : reply_error(Error::kNoent);
  }
  if (reply.sent) return;

  const Seq required = reply.from_head ? journal_.last_seq() : 0;
  if (required > journal_.safe_seq()) {
    // What a rollback needs to answer anew.
    connection.pending = Connection::Pending{.header = header,
                                             .payload = std::string(payload),
                                             .ok = reply.ok,
                                             .error = reply.error,
                                             .data = std::string(reply.data),
                                             .wrote = reply.wrote,
                                             .required = required};
  }
  send_reply(connection, header, reply);
}

void Server::send_reply(Connection& connection, const Header& request, const Reply& reply) {
  const bool too_big = reply.ok && reply.data.size() > protocol::kMaxPayload;
  const bool ok = reply.ok && !too_big;
  std::string error;
  if (!ok) {
    error = protocol::error_name(too_big ? Error::k2big : reply.error);
    error.push_back('\0');
  }
  const std::string_view payload = ok ? reply.data : std::string_view(error);
  const std::uint32_t type = ok ? request.type : static_cast<std::uint32_t>(MessageType::kError);
  if (observer_.tracing()) observer_.reply_out(connection, type, payload);
  const Seq required = reply.from_head ? journal_.last_seq() : 0;
  connection.outbox.append_reply(Header{.type = type,
                                        .req_id = request.req_id,
                                        .tx_id = request.tx_id,
                                        .len = static_cast<std::uint32_t>(payload.size())},
                                 payload, required, journal_.safe_seq());
  mark_waiting(connection, required);
  mark_dirty(connection);
}

void Server::send_event(Watch& watch, std::string_view path, Seq required) {
  Connection& connection = *watch.connection;
  if (connection.doomed || connection.frozen) return;
  if (path.size() + watch.token.size() + 2 > protocol::kMaxPayload) return;  // B9, XSA-324
  // A guest that reads nothing loses events; its ring cannot be closed (A17).
  if (connection.peer().ring &&
      connection.outbox.unsent_event_bytes() >= options_.max_event_bytes) {
    return;
  }
  const bool merge = !path.starts_with('@');
  if (!connection.outbox.append_event(path, watch.token, merge, required, journal_.safe_seq())) {
    return;
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

// --- commits -----------------------------------------------------------------

Error Server::refuse(const store::IoError& cause) {
  ++counters_.refused_writes;
  const bool full = cause.code == ENOSPC || cause.code == EDQUOT;
  if (!refusing_) {
    refusing_ = true;
    if (journal_.damaged()) {
      observer_.error(fmt::format(
          "refusing writes with EIO for as long as this daemon runs: the journal is damaged ({}); "
          "reads go on. To write again, move the journal's directory away and start again",
          cause.what));
    } else {
      observer_.error(fmt::format(
          "refusing writes with {}: the journal cannot keep them ({}); reads go on, and writes "
          "will be accepted again as soon as the journal can be written",
          full ? "ENOSPC" : "EIO", cause.what));
    }
  }
  return full ? Error::kNospc : Error::kIo;
}

tl::expected<Seq, Error> Server::append(store::Record record, Seq seq) {
  const auto appended = journal_.append(record);
  if (!appended) return tl::unexpected(refuse(appended.error()));
  if (refusing_ && !journal_.failing()) {
    refusing_ = false;
    observer_.info("writes are accepted again: the journal can be written");
  }
  return seq;
}

Reply Server::run(const Request& request, const transactions::Operation& operation) {
  Connection& connection = request.connection;
  if (request.branch != nullptr) {
    const auto answer = request.branch->execute(head_.perm_table(), operation, scratch_);
    return answer.ok ? reply_data(answer.data) : reply_error(answer.error);
  }
  changes_.clear();
  const auto answer = transactions::evaluate(head_.tree(), head_.perm_table(), connection.caller(),
                                             operation, changes_, scratch_);
  Reply reply = answer.ok ? reply_data(answer.data) : reply_error(answer.error);
  if (answer.ok && !changes_.empty()) {
    reply = commit_request(connection, changes_, answer.data);
  }
  reply.from_head = true;
  return reply;
}

Reply Server::commit_request(Connection& connection, std::span<const store::Change> changes,
                             std::string_view ok) {
  const Seq seq = journal_.last_seq() + 1;
  const auto appended = append(store::CommitRecord{.seq = seq,
                                                   .time_us = clock_.wall_us(),
                                                   .origin = connection.origin(),
                                                   .kind = store::CommitKind::kSingle,
                                                   .tx_id = 0,
                                                   .base_seq = 0,
                                                   .changes = changes,
                                                   .note = {}},
                               seq);
  if (!appended) return reply_error(appended.error());

  std::optional<store::Tree> before;
  fired_.clear();
  if (watches_.size() != 0) {
    transactions::fired_by_request(head_.tree(), changes, fired_);
    // Only a removal asks what was there; any other change is made in place.
    if (changes.front().kind == store::ChangeKind::kRemove) before = head_.tree();
  }
  (void)head_.commit(changes, seq, connection.caller().domid);
  ++counters_.commits;
  if (!fired_.empty()) fire(fired_, before ? *before : head_.tree(), seq);
  Reply reply = reply_data(ok);
  reply.wrote = true;
  return reply;
}

tl::expected<void, Error> Server::commit_own(std::span<const store::Change> changes,
                                             std::string_view note) {
  const Seq seq = journal_.last_seq() + 1;
  store::Origin origin{};
  origin.domid = domains_.store_domid();
  const auto appended = append(store::CommitRecord{.seq = seq,
                                                   .time_us = clock_.wall_us(),
                                                   .origin = origin,
                                                   .kind = store::CommitKind::kDaemon,
                                                   .tx_id = 0,
                                                   .base_seq = 0,
                                                   .changes = changes,
                                                   .note = note},
                               seq);
  if (!appended) return tl::unexpected(appended.error());
  const store::Tree before = head_.tree();
  fired_.clear();
  transactions::fired_by_request(before, changes, fired_);
  (void)head_.commit(changes, seq, domains_.store_domid());
  ++counters_.commits;
  fire(fired_, before, seq);
  end_of_pass();
  return {};
}

tl::expected<void, Error> Server::record_start(std::string_view boot_id, std::uint64_t incarnation,
                                               std::string_view version) {
  const Seq seq = journal_.last_seq() + 1;
  const auto appended = append(store::StartRecord{.seq = seq,
                                                  .time_us = clock_.wall_us(),
                                                  .boot_id = boot_id,
                                                  .incarnation = incarnation,
                                                  .version = version},
                               seq);
  if (!appended) return tl::unexpected(appended.error());
  return {};
}

void Server::fire(const std::vector<transactions::Fired>& fired, const store::Tree& before,
                  Seq seq) {
  for (const auto& one : fired) {
    watches_.fire(one, before, head_.tree(),
                  [&](Watch& watch, std::string_view path) { send_event(watch, path, seq); });
  }
}

// --- transactions ------------------------------------------------------------

Reply Server::start_transaction(Connection& connection) {
  TxId id = connection.next_tx;
  while (id == 0 || connection.branches.contains(id)) ++id;
  connection.next_tx = id + 1;
  auto branch = std::make_unique<transactions::Branch>(id, head_, connection.caller());
  branches_.add(*branch, clock_.monotonic_us());
  observer_.object(true, "transaction", branch.get());
  connection.branches.emplace(id, std::move(branch));
  (void)move_old_bases();
  scratch_ = std::to_string(id);
  scratch_.push_back('\0');
  Reply reply = reply_data(scratch_);
  reply.from_head = true;
  return reply;
}

void Server::drop_branch(Connection& connection, TxId id) {
  const auto found = connection.branches.find(id);
  if (found == connection.branches.end()) return;
  branches_.remove(*found->second);
  observer_.object(false, "transaction", found->second.get());
  connection.branches.erase(found);
}

void Server::drop_branches(Connection& connection) {
  while (!connection.branches.empty()) drop_branch(connection, connection.branches.begin()->first);
}

Reply Server::end_transaction(const Request& request, bool commit) {
  Connection& connection = request.connection;
  transactions::Branch& branch = *request.branch;
  const TxId id = branch.id();
  Reply reply = reply_data();
  if (!commit) {
    drop_branch(connection, id);
    return reply;
  }

  const Decision decision = branch.decide(head_);
  const Seq seq = journal_.last_seq() + 1;
  switch (decision.kind) {
    case Decision::Kind::kNothing:
      break;
    case Decision::Kind::kRefused:
      reply = reply_error(decision.error);
      reply.from_head = true;
      break;
    case Decision::Kind::kConflict: {
      ++counters_.conflicts;
      // The client learns of the conflict even if history cannot.
      (void)append(store::ConflictRecord{.seq = seq,
                                         .time_us = clock_.wall_us(),
                                         .origin = connection.origin(),
                                         .tx_id = id,
                                         .base_seq = decision.base_seq,
                                         .changes = decision.changes,
                                         .path = decision.conflict->path,
                                         .blocking_seq = decision.conflict->blocking_seq,
                                         .blocking_domid = decision.conflict->blocking_domid,
                                         .request = operation_name(decision.conflict->request)},
                   seq);
      reply = reply_error(Error::kAgain);
      reply.from_head = true;
      break;
    }
    case Decision::Kind::kCommit: {
      const auto appended = append(store::CommitRecord{.seq = seq,
                                                       .time_us = clock_.wall_us(),
                                                       .origin = connection.origin(),
                                                       .kind = decision.commit,
                                                       .tx_id = id,
                                                       .base_seq = decision.base_seq,
                                                       .changes = decision.changes,
                                                       .note = {}},
                                   seq);
      if (!appended) {
        reply = reply_error(appended.error());
        break;
      }
      fired_.clear();
      std::optional<store::Tree> before;
      if (watches_.size() != 0) {
        transactions::fired_by_transaction(head_.tree(), decision.changes, branch.log(), fired_);
        const bool removes =
            std::any_of(fired_.begin(), fired_.end(), [](const auto& one) { return one.removed; });
        if (removes) before = head_.tree();
      }
      branches_.remove(branch);
      branch.release_trees();
      (void)head_.commit(decision.changes, seq, connection.caller().domid);
      ++counters_.commits;
      if (decision.commit == store::CommitKind::kMerge) ++counters_.merges;
      if (!fired_.empty()) fire(fired_, before ? *before : head_.tree(), seq);
      reply = reply_data();
      reply.wrote = true;
      reply.from_head = true;
      break;
    }
  }
  drop_branch(connection, id);
  return reply;
}

// --- safety ------------------------------------------------------------------

void Server::keep_version() {
  if (journal_.immediate()) return;
  versions_.push_back(
      Version{.record_seq = journal_.last_seq(), .head_seq = head_.seq(), .tree = head_.tree()});
}

Server::Version Server::safe_version() const {
  if (!journal_.immediate() && !versions_.empty()) return versions_.front();
  return Version{.record_seq = journal_.last_seq(), .head_seq = head_.seq(), .tree = head_.tree()};
}

void Server::release() {
  const Seq safe = journal_.safe_seq();
  while (versions_.size() > 1 && versions_[1].record_seq <= safe) versions_.pop_front();
  std::erase_if(waiting_, [&](Connection* connection) {
    connection->outbox.release(safe);
    if (connection->pending && connection->pending->required <= safe) connection->pending.reset();
    mark_dirty(*connection);
    connection->waiting = connection->outbox.gated() || connection->pending.has_value();
    return !connection->waiting;
  });
  (void)move_old_bases();
}

void Server::end_of_pass() {
  if (journal_.immediate()) return;
  if (!versions_.empty() && versions_.back().record_seq == journal_.last_seq()) return;
  const auto flushed = journal_.flush();
  if (!flushed) {
    rollback(flushed.error());
    return;
  }
  keep_version();
  release();
}

void Server::journal_progressed() {
  const auto failure = journal_.take_failure();
  if (!failure) {
    rollback(failure.error());
  } else {
    release();
  }
}

void Server::rollback(const store::IoError& cause) {
  ++counters_.rollbacks;
  const Error error = refuse(cause);
  journal_.rollback();
  const Seq safe = journal_.safe_seq();
  while (versions_.size() > 1 && versions_[1].record_seq <= safe) versions_.pop_front();
  versions_.erase(versions_.begin() + 1, versions_.end());
  head_.reset(versions_.front().tree, versions_.front().head_seq);
  branches_.restart_above(head_, clock_.monotonic_us());

  // Nobody saw what is taken back, so every waiting request is answered from the older head.
  std::vector<Connection*> waiting;
  waiting.swap(waiting_);
  for (Connection* connection : waiting) {
    connection->waiting = false;
    connection->outbox.rollback(safe);
    mark_dirty(*connection);
  }
  for (Connection* connection : waiting) {
    if (connection->pending) answer_again(*connection, error, safe);
  }
}

void Server::answer_again(Connection& connection, Error error, Seq safe) {
  const Connection::Pending pending = std::move(*connection.pending);
  connection.pending.reset();
  if (pending.required <= safe) {
    mark_dirty(connection);
    return;
  }
  const auto type = static_cast<MessageType>(pending.header.type);
  if (pending.wrote) {
    send_reply(connection, pending.header, reply_error(error));
    return;
  }
  switch (type) {
    case MessageType::kRead:
    case MessageType::kDirectory:
    case MessageType::kDirectoryPart:
    case MessageType::kGetPerms:
    case MessageType::kWrite:
    case MessageType::kMkdir:
    case MessageType::kRm:
    case MessageType::kSetPerms:
      handle(connection, pending.header, pending.payload);
      return;
    default:
      break;
  }
  // A transaction's start (its branch began again from the older head) or its EAGAIN.
  Reply reply;
  reply.ok = pending.ok;
  reply.error = pending.error;
  reply.data = pending.data;
  send_reply(connection, pending.header, reply);
}

bool Server::tick() {
  if (journal_.failing()) {
    if (journal_.probe() && refusing_) {
      refusing_ = false;
      observer_.info("writes are accepted again: the journal can be written");
    }
  }
  return move_old_bases();
}

bool Server::move_old_bases() {
  if (branches_.size() == 0) return false;
  const std::int64_t now = clock_.monotonic_us();
  if (journal_.safe_seq() == journal_.last_seq()) return branches_.enforce(head_, now);
  // To a safe version only: what a transaction reads on its base is answered at once, and a
  // rollback could not take that back.
  Version version = safe_version();
  return branches_.enforce(head_.at(std::move(version.tree), version.head_seq), now);
}

}  // namespace vxs::daemon
