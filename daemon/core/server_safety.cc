// What may leave when, and what becomes of it when the journal loses records (design §5).
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/core/server.hh"

namespace vxs::daemon {

using protocol::Error;
using protocol::MessageType;

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

void Server::recover(const store::SystemState& state, std::span<const DomainInfo> now,
                     const Lifecycle::AttachOwn& attach_own) {
  if (!journal_.immediate()) trail_.begin(state);
  lifecycle_.recover(state, now, attach_own);
  end_of_pass();
}

void Server::bury_the_dead() {
  lifecycle_.bury_the_dead();
  end_of_pass();
}

void Server::release() {
  const Seq safe = journal_.safe_seq();
  released_seq_ = safe;
  while (versions_.size() > 1 && versions_[1].record_seq <= safe) versions_.pop_front();
  if (!versions_.empty()) trail_.release(versions_.front().record_seq);
  std::erase_if(waiting_, [&](Connection* connection) {
    connection->outbox.release(safe);
    if (connection->pending && connection->pending->required <= safe) connection->pending.reset();
    mark_dirty(*connection);
    connection->waiting = connection->outbox.gated() || connection->pending.has_value();
    return !connection->waiting;
  });
}

void Server::end_of_pass() {
  release_held();
  if (journal_.immediate() || astray_) return;
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
  if (astray_) return;  // nothing is appended any more, and nothing waits
  const auto failure = journal_.take_failure();
  if (!failure) {
    rollback(failure.error());
  } else {
    release();
  }
}

void Server::rollback(const store::IoError& cause) {
  ++counters_.rollbacks;
  journal_.rollback();
  released_seq_ = journal_.safe_seq();
  while (versions_.size() > 1 && versions_[1].record_seq <= released_seq_) versions_.pop_front();
  versions_.erase(versions_.begin() + 1, versions_.end());
  // What the older head contains: of the journal's safe Seq, unless it has gone astray.
  const Seq safe = versions_.front().record_seq;
  if (safe != released_seq_) {
    astray_ = true;
    refusing_ = false;  // it is said again, for another reason
  }
  const Error error = refuse(cause);
  head_.reset(versions_.front().tree, versions_.front().head_seq);
  accounts_.recount(head_.tree());
  branches_.restart_above(head_, clock_.monotonic_us());
  trail_.release(versions_.front().record_seq);
  lifecycle_.roll_back(trail_.safe(), trail_.take_lost());

  // Nobody saw what is taken back, so every waiting request is answered from the older head.
  std::vector<ConnectionId> waiting;
  for (Connection* connection : waiting_) {
    waiting.push_back(connection->id());
    connection->waiting = false;
    connection->outbox.rollback(safe);
    mark_dirty(*connection);
  }
  waiting_.clear();
  for (const ConnectionId id : waiting) {
    // By number: an answer may end a domain, and with it another connection (J22).
    Connection* connection = find_connection(id);
    if (connection != nullptr && connection->pending) answer_again(*connection, error, safe);
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
    case MessageType::kIsDomainIntroduced:
    case MessageType::kGetFeature:
    case MessageType::kGetQuota:
      begin(connection, pending.header, pending.payload);
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
  if (journal_.failing() && !astray_) {
    if (journal_.probe() && refusing_) {
      refusing_ = false;
      observer_.info("writes are accepted again: the journal can be written");
    }
  }
  lifecycle_.retry();
  (void)lifecycle_.build_index();
  expire_events();
  wake();
  settle();
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
