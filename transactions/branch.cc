#include "transactions/branch.hh"

#include <algorithm>
#include <cstring>

#include "transactions/replay.hh"

namespace vxs::transactions {
namespace {

bool is_write(OperationKind kind) noexcept {
  return kind == OperationKind::kWrite || kind == OperationKind::kMkdir ||
         kind == OperationKind::kRm || kind == OperationKind::kSetPerms;
}

/// What a change takes besides its path and value: the node of the overlay, by the node-size
/// formula with a usual list of permissions.
constexpr std::size_t kChangeCost = 64;

/// E10: a request looks at the node it names, and above a missing one at all up to the nearest that
/// exists. Ends, false, where `touch` is.
template <typename Touch>
bool touch_named(std::string_view path, std::size_t ancestor_length, const Touch& touch) {
  std::vector<PathHash> touched;
  PathHash::along(path, [&](PathHash hash, std::size_t length) {
    if (length >= ancestor_length) touched.push_back(hash);
  });
  return std::all_of(touched.rbegin(), touched.rend(), touch);
}

}  // namespace

Branch::Branch(TxId id, const Head& head, const Caller& caller, std::int64_t started_us)
    : id_(id),
      started_us_(started_us),
      caller_(caller),
      base_seq_(head.seq()),
      base_(head.tree()),
      work_(head.tree()) {}

std::string_view Branch::keep(std::string_view bytes) {
  if (bytes.empty()) return {};
  auto* copy = static_cast<char*>(arena_.allocate(bytes.size(), 1));
  std::memcpy(copy, bytes.data(), bytes.size());
  return {copy, bytes.size()};
}

bool Branch::touch(PathHash path, Limits& limits) {
  const std::uint64_t hash = path.value();
  const std::uint64_t limit = limits.transaction_nodes();
  if (limit != 0 && touched_.size() >= limit) {
    if (touched_.contains(hash)) return true;
    limits.refused(Resource::kTransactionNodes, self());
    poisoned_ = true;
    return false;
  }
  touched_.insert(hash);
  return true;
}

/// The limits' word on what the request has just done, and what it costs.
std::optional<protocol::Error> Branch::refused_now(Limits& limits,
                                                   std::span<const store::Change> made,
                                                   std::size_t& cost) {
  if (made.empty()) return std::nullopt;
  bool fits = true;
  if (made.front().kind == store::ChangeKind::kRemove) {
    work_->walk_from(made.front().path, [&](std::string_view below, const store::Node&) {
      return fits = touch(PathHash::of(below), limits);
    });
  }
  if (!fits) return protocol::Error::kNospc;
  if (const auto refused = refused_by_limits(limits, caller_, *work_, made, &made_)) return refused;
  std::size_t changed = 0;
  for (const auto& change : made) changed += change.path.size() + kChangeCost;
  if (!limits.has_memory(self(), cost + changed)) {
    limits.refused(Resource::kMemory, self());
    return protocol::Error::kNomem;
  }
  cost += changed;
  return std::nullopt;
}

LoggedOperation Branch::kept(const Operation& operation, std::size_t ancestor_length) {
  LoggedOperation logged{.operation = operation, .ancestor_length = ancestor_length};
  logged.operation.path = keep(operation.path);
  logged.operation.value = keep(operation.value);
  return logged;
}

Answer Branch::execute(store::PermTable& table, const Operation& operation, std::string& scratch,
                       Limits* limits) {
  const std::size_t ancestor_length = work_->lookup(operation.path).ancestor_length;
  std::size_t cost = sizeof(LoggedOperation) + operation.path.size() + operation.value.size();
  const bool was_poisoned = poisoned_;
  entry_.reset();
  if (limits != nullptr) {
    limited_ = true;
    if (!limits->has_memory(self(), cost)) {
      limits->refused(Resource::kMemory, self());
      return Answer{.ok = false, .error = protocol::Error::kNomem, .data = {}};
    }
    const auto look = [&](PathHash path) { return touch(path, *limits); };
    if (!touch_named(operation.path, ancestor_length, look)) {
      if (key_ && !was_poisoned) {
        entry_ = BranchLogEntry{.tx_id = id_,
                                .kind = BranchLogEntry::Kind::kNotRun,
                                .poisoned = true,
                                .operation = kept(operation, ancestor_length).operation,
                                .ancestor_length = ancestor_length};
      }
      return Answer{.ok = false, .error = protocol::Error::kNospc, .data = {}};
    }
  }
  LoggedOperation logged = kept(operation, ancestor_length);

  const std::size_t first_new = changes_.size();
  Answer answer = evaluate(*work_, table, caller_, logged.operation, changes_, scratch);
  if (operation.kind == OperationKind::kDirectoryPart && answer.ok) {
    logged.operation.names_room = kMaxReply - answer.generation_length - 1;
  }
  const std::uint64_t hash = key_ ? hash_answer(*key_, operation.kind, answer) : 0;
  if (limits != nullptr) {
    const auto made = std::span<const store::Change>(changes_).subspan(first_new);
    if (const auto refused = refused_now(*limits, made, cost)) {
      changes_.resize(first_new);
      logged.refused = true;
      answer = Answer{.ok = false, .error = *refused, .data = {}};
    }
  }
  for (auto rest = std::span<const store::Change>(changes_).subspan(first_new); !rest.empty();) {
    const auto run = store::take_run(rest);
    if (limits != nullptr) made_.changing_request(*work_, run);
    (void)work_->apply_run(run, take_generations(run.size()), 1);
  }
  if (limits != nullptr) limits->saw(Resource::kTransactionNodes, touched_.size());
  log_bytes_ += cost + (changes_.size() - first_new) * sizeof(store::Change);
  if (key_) {
    entry_ = BranchLogEntry{
        .tx_id = id_,
        .kind = logged.refused ? BranchLogEntry::Kind::kRefused : BranchLogEntry::Kind::kExecuted,
        .poisoned = poisoned_,
        .operation = logged.operation,
        .ancestor_length = ancestor_length,
        .answer = hash};
  }
  // A doomed branch is never replayed for its answers, only for what it wrote.
  if (!doomed_ || is_write(operation.kind)) log_.push_back(std::move(logged));
  return answer;
}

bool Branch::facts_hold(const store::Tree& head) const {
  for (const auto& logged : log_) {
    if (!facts_equal(*base_, head, logged.operation)) return false;
  }
  return true;
}

std::optional<protocol::Error> Branch::refused_at_end(const Head& head, Limits& limits,
                                                      bool merges) const {
  if (!merges) {
    if (!too_many_nodes(limits, caller_, made_)) return others_refuse(limits, caller_, made_);
    limits.refused(Resource::kNodes, self());
    return protocol::Error::kNospc;
  }
  return merge_refused_by_limits(limits, caller_, head.tree(), changes_);
}

Decision Branch::decide(const Head& head, Limits* limits) {
  if (poisoned_) {
    return Decision{.kind = Decision::Kind::kRefused, .error = protocol::Error::kNomem};
  }
  if (doomed_) {
    return Decision{.kind = Decision::Kind::kConflict,
                    .base_seq = doomed_base_seq_,
                    .changes = doomed_changes_,
                    .conflict = &*doomed_};
  }
  if (!wrote()) return Decision{.kind = Decision::Kind::kNothing, .base_seq = base_seq_};

  Decision commit{.kind = Decision::Kind::kCommit,
                  .commit = store::CommitKind::kMerge,
                  .base_seq = base_seq_,
                  .changes = {}};
  if (base_seq_ == head.seq()) {
    commit.commit = store::CommitKind::kTransaction;
  } else if (!facts_hold(head.tree())) {
    Replay again =
        replay(*base_, base_seq_, head.tree(), head.seq(), head.perm_table(), caller_, log_);
    if (again.difference) {
      doomed_ = blame(*base_, base_seq_, head, log_[*again.difference].operation);
      return Decision{.kind = Decision::Kind::kConflict,
                      .base_seq = base_seq_,
                      .changes = changes_,
                      .conflict = &*doomed_};
    }
    changes_ = std::move(again.changes);
    // What the branch changed may be there already; it then commits at the head without a change.
    if (changes_.empty()) return Decision{.kind = Decision::Kind::kNothing, .base_seq = base_seq_};
  }
  if (limits != nullptr) {
    const bool merges = commit.commit == store::CommitKind::kMerge;
    if (const auto refused = refused_at_end(head, *limits, merges)) {
      return Decision{.kind = Decision::Kind::kRefused, .base_seq = base_seq_, .error = *refused};
    }
  }
  commit.changes = changes_;
  return commit;
}

void Branch::release_trees() noexcept {
  base_.reset();
  work_.reset();
}

void Branch::doom(Conflict conflict) {
  doomed_ = std::move(conflict);
  doomed_changes_ = changes_;
  doomed_base_seq_ = base_seq_;
}

/// A doomed branch: from now on only what it wrote matters.
void Branch::forget_reads() {
  std::erase_if(log_,
                [](const LoggedOperation& logged) { return !is_write(logged.operation.kind); });
}

void Branch::recount(const store::Tree& base) {
  if (!limited_) return;
  made_ = NodeUsage{};
  store::Tree tree = base;
  Seq generation = 0;
  for (std::span<const store::Change> rest = changes_; !rest.empty();) {
    const auto run = store::take_run(rest);
    made_.changing_request(tree, run);
    (void)tree.apply_run(run, generation + 1, 1);
    generation += run.size();
  }
}

void Branch::rebase(const Head& head) {
  if (base_seq_ == head.seq()) return;
  if (!doomed_ && !wrote() && facts_hold(head.tree())) {
    base_ = head.tree();
    work_ = base_;
    base_seq_ = head.seq();
    return;
  }
  if (!doomed_) {
    Replay again =
        replay(*base_, base_seq_, head.tree(), head.seq(), head.perm_table(), caller_, log_);
    if (!again.difference) {
      base_ = head.tree();
      base_seq_ = head.seq();
      work_ = std::move(again.work);
      changes_ = std::move(again.changes);
      generation_steps_ = again.generation_steps;
      recount(*base_);
      return;
    }
    doom(blame(*base_, base_seq_, head, log_[*again.difference].operation));
    forget_reads();
  }
  Replay view = overlay(head.tree(), head.seq(), head.perm_table(), caller_, log_);
  base_ = head.tree();
  base_seq_ = head.seq();
  work_ = std::move(view.work);
  changes_ = std::move(view.changes);
  generation_steps_ = view.generation_steps;
  recount(*base_);
}

std::unique_ptr<Branch> Branch::resume(const Head& head, const Caller& caller, TxId id,
                                       std::span<const BranchLogEntry> entries, const HashKey& key,
                                       Limits* limits) {
  auto branch = std::make_unique<Branch>(id, head, caller);
  branch->keep_log(key);
  branch->execute_again(head.perm_table(), entries, limits);
  return branch;
}

void Branch::execute_again(store::PermTable& table, std::span<const BranchLogEntry> entries,
                           const Limits* limits) {
  limited_ = limits != nullptr;
  std::optional<Conflict> difference;
  std::string scratch;
  for (const auto& entry : entries) {
    if (!entry.has_operation()) continue;
    poisoned_ = poisoned_ || entry.poisoned;
    LoggedOperation logged = kept(entry.operation, entry.ancestor_length);
    const Operation& operation = logged.operation;
    const auto look = [&](PathHash path) { return touch_again(path, *limits); };
    const bool fits =
        limits != nullptr && touch_named(operation.path, logged.ancestor_length, look);
    if (entry.kind == BranchLogEntry::Kind::kNotRun) continue;
    logged.refused = entry.kind == BranchLogEntry::Kind::kRefused;

    const std::size_t first_new = changes_.size();
    const Answer answer = evaluate(*work_, table, caller_, operation, changes_, scratch);
    if (!difference && hash_answer(*key_, operation.kind, answer) != entry.answer) {
      // It goes on all the same: what a doomed branch sees is what it wrote, on this head.
      difference = Conflict{.path = std::string(operation.path), .request = operation.kind};
    }
    const bool removes = changes_.size() != first_new && operation.kind == OperationKind::kRm;
    if (fits && removes) {
      work_->walk_from(operation.path, [&](std::string_view below, const store::Node&) {
        return look(PathHash::of(below));
      });
    }
    if (logged.refused) changes_.resize(first_new);
    for (auto rest = std::span<const store::Change>(changes_).subspan(first_new); !rest.empty();) {
      const auto run = store::take_run(rest);
      (void)work_->apply_run(run, take_generations(run.size()), 1);
    }
    log_bytes_ += sizeof(LoggedOperation) + operation.path.size() + operation.value.size();
    log_.push_back(std::move(logged));
  }
  if (difference) {
    doom(std::move(*difference));
    forget_reads();
  }
  recount(*base_);
  log_bytes_ += changes_.size() * sizeof(store::Change);
  if (!limited_) return;
  for (const auto& change : changes_) log_bytes_ += change.path.size() + kChangeCost;
}

/// E10, once more: what was let pass is counted, and nothing is refused.
bool Branch::touch_again(PathHash path, const Limits& limits) {
  const std::uint64_t hash = path.value();
  const std::uint64_t limit = limits.transaction_nodes();
  if (limit != 0 && touched_.size() >= limit) return touched_.contains(hash);
  touched_.insert(hash);
  return true;
}

void Branch::restart(const Head& head) {
  base_ = head.tree();
  work_ = base_;
  base_seq_ = head.seq();
  generation_steps_ = 0;
}

}  // namespace vxs::transactions
