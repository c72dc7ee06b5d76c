// What quotas and fairness make of a guest's requests (conformance G, D15, E13; design §4, §7).
#include <algorithm>

#include "daemon/core/paths.hh"
#include "daemon/core/server.hh"
#include "protocol/arguments.hh"

namespace vxs::daemon {

using protocol::Header;
using protocol::MessageType;

namespace {

/// What each directory on the way to a change costs the history (design §7: trees touched and
/// bytes).
constexpr std::uint64_t kTreeBytes = 32;

/// E13: transactions of guests are protected for so long.
constexpr std::int64_t kProtectedUs = 50'000;

/// The path a write names; nothing for what writes nothing, or is no request.
std::optional<std::string_view> named_path(const Header& header, std::string_view payload) {
  switch (static_cast<MessageType>(header.type)) {
    case MessageType::kWrite:
    case MessageType::kMkdir:
    case MessageType::kRm:
    case MessageType::kSetPerms: {
      const auto parts = protocol::split_first(payload);
      return parts ? std::optional(parts->first) : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

void Server::open_account(Connection& connection) {
  // G1, A4: neither do sockets nor the domain they act as.
  if (!connection.peer().ring || connection.caller().privileged ||
      connection.caller().domid == domains_.store_domid()) {
    return;
  }
  const Domain* domain = domains_.find(connection.caller().domid);
  if (domain == nullptr) return;
  connection.account =
      accounts_.open({connection.caller().domid, connection.caller().incarnation}, domain->quotas);
  connection.outbox.charge_to(connection.account);
}

transactions::Answer Server::execute(const Request& request,
                                     const transactions::Operation& operation) {
  transactions::Branch& branch = *request.branch;
  const auto& account = request.connection.account;
  const std::size_t before = branch.log_bytes();
  const auto answer = branch.execute(head_.perm_table(), operation, scratch_, account.get());
  if (account) account->add_transactions(0, static_cast<std::int64_t>(branch.log_bytes() - before));
  if (request.connection.log != nullptr && branch.last_entry() != nullptr) {
    request.connection.log->add(*branch.last_entry());
  }
  return answer;
}

void Server::charge(const store::Record& record, std::uint64_t bytes) {
  const Connection* payer = causer_;
  if (const auto* state = std::get_if<store::StateRecord>(&record)) {
    // What a ring does is no request: the record says whose it is.
    const auto* reset = std::get_if<store::ConnectionReset>(&state->change);
    if (reset != nullptr) payer = find_connection(reset->connection);
  }
  if (payer == nullptr || payer->account == nullptr) return;
  std::span<const store::Change> changes;
  if (const auto* commit = std::get_if<store::CommitRecord>(&record)) {
    // The daemon's own doing, whoever it was that asked.
    if (commit->kind == store::CommitKind::kDaemon) return;
    changes = commit->changes;
  } else if (const auto* conflict = std::get_if<store::ConflictRecord>(&record)) {
    changes = conflict->changes;
  }
  for (const auto& change : changes) {
    const auto depth = std::count(change.path.begin(), change.path.end(), '/');
    bytes += kTreeBytes * (1 + static_cast<std::uint64_t>(depth));
  }
  payer->account->wrote(bytes, journal_.bytes());
}

// --- who made whom fail ----------------------------------------------------------

void Server::lost(Connection& connection, const transactions::Branch& branch,
                  const transactions::Conflict& conflict) {
  if (connection.caller().privileged) {
    ++connection.losses;
    if (connection.losses >= Guards::kLosses) {
      connection.observed = std::make_shared<const Observed>(branch.log());
    }
  }
  Account* blocker = accounts_.open_of(conflict.blocking_domid);
  if (blocker == nullptr || conflict.blocking_domid == connection.caller().domid) return;
  // A guest that reads what others own must not be able to make them pay for writing it: it would
  // gain by losing.
  const std::int64_t now = clock_.monotonic_us();
  if (!connection.caller().privileged) {
    // E13: who holds a transaction open for long must expect to lose it.
    if (now - branch.started_us() > kProtectedUs) return;
    const auto found = head_.tree().lookup(conflict.path);
    if (transactions::owner_of(*found.ancestor->perms()) == blocker->owner()) return;
  }
  blocker->lose_credit(now, conflict.blocking_seq);
}

// --- writes that wait ------------------------------------------------------------

std::optional<std::int64_t> Server::has_to_wait(Connection& connection, const Header& header,
                                                std::string_view payload) {
  const std::int64_t now = clock_.monotonic_us();
  std::optional<std::int64_t> until;
  const auto ask = [&](std::string_view path) {
    if (const auto wait = guards_.wait_for(path, now)) until = std::max(until.value_or(0), *wait);
  };
  if (static_cast<MessageType>(header.type) == MessageType::kTransactionEnd) {
    const auto found = connection.branches.find(header.tx_id);
    if (found == connection.branches.end() || !payload.starts_with('T')) return until;
    for (const auto& logged : found->second->log()) {
      const auto kind = logged.operation.kind;
      if (kind >= transactions::OperationKind::kWrite) ask(logged.operation.path);
    }
    return until;
  }
  const auto raw = header.tx_id == 0 ? named_path(header, payload) : std::nullopt;
  if (!raw) return until;
  if (const auto path = canonical_path(*this, connection, *raw, Names::kSpecialToo)) ask(*path);
  return until;
}

bool Server::hold_start(Connection& connection, const Header& header, std::string_view payload) {
  if (static_cast<MessageType>(header.type) != MessageType::kTransactionStart ||
      !connection.branches.empty()) {
    return false;
  }
  connection.held = Connection::Held{
      .header = header, .payload = std::string(payload), .until_us = 0, .start = true};
  held_.push_back(&connection);
  return true;
}

bool Server::hold(Connection& connection, const Header& header, std::string_view payload) {
  if (guards_.empty()) return false;
  const auto until = has_to_wait(connection, header, payload);
  if (!until) return false;
  ++counters_.delayed_writes;
  connection.held =
      Connection::Held{.header = header, .payload = std::string(payload), .until_us = *until};
  held_.push_back(&connection);
  return true;
}

std::vector<std::pair<const Connection*, std::int64_t>> Server::open_transactions() const {
  std::vector<std::pair<const Connection*, std::int64_t>> open;
  for (const auto& [id, connection] : connections_) {
    if (connection->branches.empty()) continue;
    std::int64_t since = clock_.monotonic_us();
    for (const auto& [tx, branch] : connection->branches) {
      since = std::min(since, branch->started_us());
    }
    open.emplace_back(connection.get(), since);
  }
  return open;
}

void Server::forget_held(Connection& connection) {
  if (!connection.held) return;
  connection.held.reset();
  std::erase(held_, &connection);
}

void Server::release_held() {
  if (held_.empty()) return;
  const std::int64_t now = clock_.monotonic_us();
  std::vector<ConnectionId> due;
  for (const Connection* connection : held_) {
    const bool is_due = connection->held->start
                            ? !starts_held_
                            : guards_.empty() || connection->held->until_us <= now;
    if (is_due) due.push_back(connection->id());
  }
  for (const ConnectionId id : due) {
    // By number: carrying out one may end another's connection (J22).
    Connection* connection = find_connection(id);
    if (connection == nullptr || !connection->held) continue;
    const Connection::Held held = std::move(*connection->held);
    forget_held(*connection);
    // It waited long enough, whatever is guarded by now.
    if (connection->account == nullptr) {
      dispatch(*connection, held.header, held.payload);
      continue;
    }
    cause_ = std::make_shared<RequestInFlight>(connection->account);
    causer_ = connection;
    dispatch(*connection, held.header, held.payload);
    causer_ = nullptr;
    cause_.reset();
  }
}

// --- time ------------------------------------------------------------------------

void Server::expire_events() {
  if (options_.watch_event_us == 0) return;
  const std::int64_t until = clock_.monotonic_us() - options_.watch_event_us;
  std::erase_if(expiring_, [&](Connection* connection) {
    // A kept outbox that changes publishes what may leave, and a reply goes together with the count
    // of requests answered: by the transport, which looks at it in this pass.
    if (connection->dirty) return false;
    auto oldest = connection->outbox.oldest_event_us();
    if (oldest && *oldest <= until) {
      counters_.expired_events += connection->outbox.expire(until);
      mark_dirty(*connection);
      oldest = connection->outbox.oldest_event_us();
    }
    connection->expiring = oldest.has_value();
    return !connection->expiring;
  });
}

void Server::settle() {
  if (!accounts_.unsettled()) return;
  accounts_.settle([this](DomId domid, bool paused) { rings_.pause(domid, paused); });
}

std::optional<std::int64_t> Server::next_wake_us() const noexcept {
  auto next = accounts_.next_us();
  for (const Connection* connection : held_) {
    if (connection->held->start) continue;  // waits for no clock
    next = std::min(next.value_or(connection->held->until_us), connection->held->until_us);
  }
  return next;
}

void Server::wake() { accounts_.advance(journal_.bytes()); }

}  // namespace vxs::daemon
