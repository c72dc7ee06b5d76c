#include "transactions/replay.hh"

#include <string>

namespace vxs::transactions {
namespace {

using store::Node;
using store::Tree;

/// Steps through two versions along one path, side by side.
class Pair {
 public:
  Pair(const Tree& base, const Tree& head, std::string_view path) : rest_(path) {
    if (path.starts_with('@')) {
      base_ = base.find(path);
      head_ = head.find(path);
      rest_ = {};
      return;
    }
    base_ = &base.root();
    head_ = &head.root();
    rest_ = path.substr(1);
  }

  [[nodiscard]] const Node* base() const noexcept { return base_; }
  [[nodiscard]] const Node* head() const noexcept { return head_; }
  [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }

  /// Requires that both nodes exist and the path goes on.
  void descend() {
    const std::size_t slash = rest_.find('/');
    const std::string_view name = rest_.substr(0, slash);
    rest_ = slash == std::string_view::npos ? std::string_view{} : rest_.substr(slash + 1);
    base_ = base_->find_child(name);
    head_ = head_->find_child(name);
  }

 private:
  const Node* base_ = nullptr;
  const Node* head_ = nullptr;
  std::string_view rest_;
};

/// The named node exists in both, with equal permissions: is what this kind of request looks at the
/// same?
bool same_for(OperationKind kind, const Node& base, const Node& head) {
  if (base.generation() == head.generation()) return true;
  switch (kind) {
    case OperationKind::kRead:
      return base.value() == head.value();
    case OperationKind::kDirectory:
    case OperationKind::kDirectoryPart:
      return false;  // child sets are the replay's business
    default:
      return true;  // decided by existence and permissions alone
  }
}

bool same_answer(OperationKind kind, const Answer& a, const Answer& b) {
  if (a.ok != b.ok) return false;
  if (!a.ok) return a.error == b.error;
  if (kind == OperationKind::kDirectoryPart) {
    return a.data.substr(a.generation_length) == b.data.substr(b.generation_length);
  }
  return a.data == b.data;
}

/// Evaluates on a version and applies the result to it.
class Player {
 public:
  Player(Tree tree, Seq seq) : tree_(std::move(tree)), seq_(seq) {}

  Answer evaluate_on(store::PermTable& table, const Caller& caller, const Operation& operation) {
    first_new_ = changes_.size();
    return evaluate(tree_, table, caller, operation, changes_, scratch_);
  }
  /// Ends the life of the last answer's data. What a limit refused stays undone.
  void apply(bool refused) {
    if (refused) changes_.resize(first_new_);
    for (auto rest = std::span<const store::Change>(changes_).subspan(first_new_); !rest.empty();) {
      const auto run = store::take_run(rest);
      (void)tree_.apply_run(run, seq_ + steps_ + 1, 1);
      steps_ += run.size();
    }
  }
  Replay finish(std::optional<std::size_t> difference) {
    return Replay{.work = std::move(tree_),
                  .changes = std::move(changes_),
                  .difference = difference,
                  .generation_steps = steps_};
  }

 private:
  Tree tree_;
  Seq seq_;
  Seq steps_ = 0;
  std::size_t first_new_ = 0;
  std::vector<store::Change> changes_;
  std::string scratch_;
};

}  // namespace

bool facts_equal(const Tree& base, const Tree& head, const Operation& operation) {
  Pair at(base, head, operation.path);
  if (at.base() == nullptr || at.head() == nullptr) return at.base() == at.head();
  while (true) {
    if (at.base() == at.head()) return true;  // one and the same subtree
    // The branch may have removed nodes on this path itself, so any ancestor's list may have
    // decided what it was told (C14) or what a node of its own inherited (C10).
    if (!(at.base()->perms() == at.head()->perms())) return false;
    if (at.at_end()) return same_for(operation.kind, *at.base(), *at.head());
    at.descend();
    if (at.base() == nullptr || at.head() == nullptr) return at.base() == at.head();
  }
}

Conflict blame(const Tree& base, Seq base_seq, const Head& head, const Operation& operation) {
  Conflict conflict{.path = std::string(operation.path), .request = operation.kind};
  const bool value = operation.kind == OperationKind::kRead;
  const bool children = operation.kind == OperationKind::kDirectory ||
                        operation.kind == OperationKind::kDirectoryPart;
  if (const auto culprit =
          head.recent_changes().last_that_touched(operation.path, value, children, base_seq)) {
    conflict.blocking_seq = culprit->seq;
    conflict.blocking_domid = culprit->author;
    return conflict;
  }
  // Too long ago to be remembered: the deepest node on the way that changed says when.
  conflict.blocking_seq = head.seq();
  Pair at(base, head.tree(), operation.path);
  while (at.base() != nullptr && at.head() != nullptr && at.base() != at.head()) {
    if (at.base()->generation() != at.head()->generation()) {
      conflict.blocking_seq = at.head()->generation();
    }
    if (at.at_end()) break;
    at.descend();
  }
  if (at.base() == nullptr && at.head() != nullptr) {
    conflict.blocking_seq = at.head()->generation();
  }
  return conflict;
}

Replay replay(const Tree& base, Seq base_seq, const Tree& head, Seq head_seq,
              store::PermTable& table, const Caller& caller, std::span<const LoggedOperation> log) {
  Player told(base, base_seq);
  Player now(head, head_seq);
  for (std::size_t i = 0; i < log.size(); ++i) {
    const Operation& operation = log[i].operation;
    const Answer before = told.evaluate_on(table, caller, operation);
    const Answer after = now.evaluate_on(table, caller, operation);
    if (!same_answer(operation.kind, before, after)) return now.finish(i);
    told.apply(log[i].refused);
    now.apply(log[i].refused);
  }
  return now.finish(std::nullopt);
}

Replay overlay(const Tree& head, Seq head_seq, store::PermTable& table, const Caller& caller,
               std::span<const LoggedOperation> log) {
  Player now(head, head_seq);
  for (const auto& logged : log) {
    (void)now.evaluate_on(table, caller, logged.operation);
    now.apply(logged.refused);
  }
  return now.finish(std::nullopt);
}

}  // namespace vxs::transactions
