#include "transactions/branch.hh"

#include <cstring>

#include "transactions/replay.hh"

namespace vxs::transactions {
namespace {

bool is_write(OperationKind kind) noexcept {
  return kind == OperationKind::kWrite || kind == OperationKind::kMkdir ||
         kind == OperationKind::kRm || kind == OperationKind::kSetPerms;
}

}  // namespace

Branch::Branch(TxId id, const Head& head, const Caller& caller)
    : id_(id), caller_(caller), base_seq_(head.seq()), base_(head.tree()), work_(head.tree()) {}

std::string_view Branch::keep(std::string_view bytes) {
  if (bytes.empty()) return {};
  auto* copy = static_cast<char*>(arena_.allocate(bytes.size(), 1));
  std::memcpy(copy, bytes.data(), bytes.size());
  return {copy, bytes.size()};
}

Answer Branch::execute(store::PermTable& table, const Operation& operation, std::string& scratch) {
  LoggedOperation logged{.operation = operation,
                         .ancestor_length = work_->lookup(operation.path).ancestor_length};
  logged.operation.path = keep(operation.path);
  logged.operation.value = keep(operation.value);

  const std::size_t first_new = changes_.size();
  Answer answer = evaluate(*work_, table, caller_, logged.operation, changes_, scratch);
  if (operation.kind == OperationKind::kDirectoryPart && answer.ok) {
    logged.operation.names_room = kMaxReply - answer.generation_length - 1;
  }
  for (std::size_t i = first_new; i < changes_.size(); ++i) {
    (void)work_->apply(changes_[i], next_generation());
  }
  log_bytes_ += sizeof logged + operation.path.size() + operation.value.size() +
                (changes_.size() - first_new) * sizeof(store::Change);
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

Decision Branch::decide(const Head& head) {
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
}

void Branch::restart(const Head& head) {
  base_ = head.tree();
  work_ = base_;
  base_seq_ = head.seq();
  generation_steps_ = 0;
}

}  // namespace vxs::transactions
