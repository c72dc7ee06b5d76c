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

}  // namespace

Branch::Branch(TxId id, const Head& head, const Caller& caller)
    : id_(id), caller_(caller), base_seq_(head.seq()), base_(head.tree()), work_(head.tree()) {}

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

/// E10: a request looks at the node it names, and above a missing one at all up to the nearest that
/// exists.
bool Branch::touch_named(std::string_view path, std::size_t ancestor_length, Limits& limits) {
  std::vector<PathHash> touched;
  PathHash::along(path, [&](PathHash hash, std::size_t length) {
    if (length >= ancestor_length) touched.push_back(hash);
  });
  return std::all_of(touched.rbegin(), touched.rend(),
                     [&](PathHash hash) { return touch(hash, limits); });
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

Answer Branch::execute(store::PermTable& table, const Operation& operation, std::string& scratch,
                       Limits* limits) {
  const std::size_t ancestor_length = work_->lookup(operation.path).ancestor_length;
  std::size_t cost = sizeof(LoggedOperation) + operation.path.size() + operation.value.size();
  if (limits != nullptr) {
    limited_ = true;
    if (!limits->has_memory(self(), cost)) {
      limits->refused(Resource::kMemory, self());
      return Answer{.ok = false, .error = protocol::Error::kNomem, .data = {}};
    }
    if (!touch_named(operation.path, ancestor_length, *limits)) {
      return Answer{.ok = false, .error = protocol::Error::kNospc, .data = {}};
    }
  }
  LoggedOperation logged{.operation = operation, .ancestor_length = ancestor_length};
  logged.operation.path = keep(operation.path);
  logged.operation.value = keep(operation.value);

  const std::size_t first_new = changes_.size();
  Answer answer = evaluate(*work_, table, caller_, logged.operation, changes_, scratch);
  if (operation.kind == OperationKind::kDirectoryPart && answer.ok) {
    logged.operation.names_room = kMaxReply - answer.generation_length - 1;
  }
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
    if (!too_many_nodes(limits, caller_, made_)) return std::nullopt;
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
    // From now on only what it wrote matters.
    std::erase_if(log_,
                  [](const LoggedOperation& logged) { return !is_write(logged.operation.kind); });
  }
  Replay view = overlay(head.tree(), head.seq(), head.perm_table(), caller_, log_);
  base_ = head.tree();
  base_seq_ = head.seq();
  work_ = std::move(view.work);
  changes_ = std::move(view.changes);
  generation_steps_ = view.generation_steps;
  recount(*base_);
}

void Branch::restart(const Head& head) {
  base_ = head.tree();
  work_ = base_;
  base_seq_ = head.seq();
  generation_steps_ = 0;
}

}  // namespace vxs::transactions
