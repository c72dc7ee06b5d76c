// Records and commits: how requests, transactions and the daemon itself change the state.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "daemon/core/server.hh"

namespace vxs::daemon {

using protocol::Error;
using transactions::Decision;

// --- commits -----------------------------------------------------------------

Error Server::refuse(const store::IoError& cause) {
  ++counters_.refused_writes;
  const bool full = cause.code == ENOSPC || cause.code == EDQUOT;
  if (!refusing_) {
    refusing_ = true;
    if (astray_) {
      // Records above any other head would be damage.
      observer_.error(fmt::format(
          "refusing writes with EIO for as long as this daemon runs: the journal went back to Seq "
          "{}, of which no version was kept, and the state in memory is that of Seq {} ({}); reads "
          "go on. The journal is good: to write again, start the daemon again",
          journal_.safe_seq(), versions_.front().record_seq, cause.what));
    } else if (journal_.damaged()) {
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
  return full && !astray_ ? Error::kNospc : Error::kIo;
}

tl::expected<Seq, Error> Server::append(store::Record record, Seq seq) {
  if (astray_) return tl::unexpected(refuse({EIO, "the state in memory is not the journal's"}));
  const std::uint64_t before = journal_.bytes_since_checkpoint();
  const auto appended = journal_.append(record);
  if (!appended) return tl::unexpected(refuse(appended.error()));
  charge(record, journal_.bytes_since_checkpoint() - before);
  if (refusing_ && !journal_.failing()) {
    refusing_ = false;
    observer_.info("writes are accepted again: the journal can be written");
  }
  return seq;
}

void Server::apply(std::span<const store::Change> changes, Seq seq, DomId author) {
  (void)head_.commit(changes, seq, author);
  lifecycle_.committed(changes);
  ++counters_.commits;
}

Reply Server::run(const Request& request, const transactions::Operation& operation) {
  Connection& connection = request.connection;
  if (request.branch != nullptr) {
    const auto answer = execute(request, operation);
    return answer.ok ? reply_data(answer.data) : reply_error(answer.error);
  }
  changes_.clear();
  const auto answer = transactions::evaluate(head_.tree(), head_.perm_table(), connection.caller(),
                                             operation, changes_, scratch_);
  Reply reply = answer.ok ? reply_data(answer.data) : reply_error(answer.error);
  if (answer.ok && !changes_.empty()) {
    if (connection.account) {
      if (const auto refused = transactions::refused_by_limits(
              *connection.account, connection.caller(), head_.tree(), changes_, nullptr)) {
        reply = reply_error(*refused);
        reply.from_head = true;
        return reply;
      }
    }
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
  apply(changes, seq, connection.caller().domid);
  if (!fired_.empty()) fire(fired_, before ? *before : head_.tree(), seq);
  Reply reply = reply_data(ok);
  reply.wrote = true;
  return reply;
}

tl::expected<void, Error> Server::commit_daemon(std::span<const store::Change> changes,
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
  apply(changes, seq, domains_.store_domid());
  fire(fired_, before, seq);
  return {};
}

tl::expected<void, Error> Server::commit_own(std::span<const store::Change> changes,
                                             std::string_view note) {
  auto done = commit_daemon(changes, note);
  if (done) end_of_pass();
  return done;
}

tl::expected<void, Error> Server::record_state(const store::StateChange& change,
                                               Completes completes) {
  const Seq seq = journal_.last_seq() + 1;
  const store::RequestId request = completes == Completes::kRequest ? current_ : store::RequestId{};
  const auto appended = append(
      store::StateRecord{
          .seq = seq, .time_us = clock_.wall_us(), .change = change, .request = request},
      seq);
  if (!appended) return tl::unexpected(appended.error());
  if (!journal_.immediate()) trail_.note(seq, change);
  return {};
}

tl::expected<void, Error> Server::record_start(std::string_view boot_id, std::uint64_t incarnation,
                                               std::string_view version,
                                               store::HistoryMark history) {
  const Seq seq = journal_.last_seq() + 1;
  const auto appended = append(store::StartRecord{.seq = seq,
                                                  .time_us = clock_.wall_us(),
                                                  .boot_id = boot_id,
                                                  .incarnation = incarnation,
                                                  .version = version,
                                                  .history = history},
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
  if (connection.account) {
    if (!connection.account->fits(config::Quota::kTransactions, 1)) {
      connection.account->hit(config::Quota::kTransactions);
      return reply_error(Error::kNospc);
    }
    connection.account->add_transactions(1, 0);
  }
  TxId id = connection.next_tx;
  while (id == 0 || connection.branches.contains(id)) ++id;
  connection.next_tx = id + 1;
  const std::int64_t now = clock_.monotonic_us();
  auto branch = std::make_unique<transactions::Branch>(id, head_, connection.caller(), now);
  if (connection.log != nullptr) {
    branch->keep_log(connection.log->key());
    connection.log->add({.tx_id = id, .kind = transactions::BranchLogEntry::Kind::kStarted});
  }
  add_branch(connection, std::move(branch));
  if (connection.losses >= Guards::kLosses && connection.observed) {
    guards_.begin(connection.id(), id, connection.observed, now);
  }
  scratch_ = std::to_string(id);
  scratch_.push_back('\0');
  Reply reply = reply_data(scratch_);
  reply.from_head = true;
  return reply;
}

void Server::add_branch(Connection& connection, std::unique_ptr<transactions::Branch> branch) {
  branches_.add(*branch, clock_.monotonic_us());
  observer_.object(true, "transaction", branch.get());
  const TxId id = branch->id();
  connection.branches.emplace(id, std::move(branch));
}

void Server::drop_branch(Connection& connection, TxId id) {
  const auto found = connection.branches.find(id);
  if (found == connection.branches.end()) return;
  if (connection.log != nullptr) {
    connection.log->add({.tx_id = id, .kind = transactions::BranchLogEntry::Kind::kEnded});
  }
  branches_.remove(*found->second);
  if (!guards_.empty()) guards_.end(connection.id(), id);
  if (connection.account) {
    connection.account->add_transactions(-1,
                                         -static_cast<std::int64_t>(found->second->log_bytes()));
  }
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

  const Decision decision = branch.decide(head_, connection.account.get());
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
      lost(connection, branch, *decision.conflict);
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
      connection.losses = 0;
      connection.observed.reset();
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
      apply(decision.changes, seq, connection.caller().domid);
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

}  // namespace vxs::daemon
