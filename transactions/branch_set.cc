#include "transactions/branch_set.hh"

#include <algorithm>

namespace vxs::transactions {

void BranchSet::add(Branch& branch, std::int64_t now_us) {
  Group& group = groups_[branch.base_seq()];
  if (group.branches.empty()) group.opened_us = now_us;
  group.branches.insert(&branch);
  ++size_;
}

void BranchSet::remove(Branch& branch) {
  const auto found = groups_.find(branch.base_seq());
  if (found == groups_.end() || found->second.branches.erase(&branch) == 0) return;
  --size_;
  if (found->second.branches.empty()) groups_.erase(found);
}

bool BranchSet::pins_too_much(const Head& head) const noexcept {
  return head.pinned_bytes() > unmovable_bytes_ + limits_.bytes;
}

// The more is pinned, the more of the time goes into freeing it: so it ends somewhere, whatever is
// written meanwhile.
std::size_t BranchSet::step(const Head& head) const noexcept {
  const std::size_t most = std::max<std::size_t>(unmovable_bytes_ + limits_.bytes, 1);
  return limits_.operations_per_step * std::max<std::size_t>(head.pinned_bytes() / most, 1);
}

bool BranchSet::wants_move(const Head& head, std::int64_t now_us) const {
  if (groups_.empty() || groups_.begin()->first >= head.seq()) return false;
  return groups_.size() > limits_.bases ||
         groups_.begin()->second.opened_us + limits_.age_us <= now_us || pins_too_much(head);
}

bool BranchSet::enforce(const Head& head, std::int64_t now_us) {
  const std::size_t most = step(head);
  std::size_t replayed = 0;
  bool moved = false;
  while (wants_move(head, now_us)) {
    if (replayed >= most) return pins_too_much(head);
    Branch& branch = **groups_.begin()->second.branches.begin();
    replayed += branch.log().size() + 1;
    remove(branch);
    branch.rebase(head);
    add(branch, now_us);
    moved = true;
  }
  if (moved || groups_.empty()) {
    const bool all_at_head = groups_.empty() || groups_.begin()->first == head.seq();
    unmovable_bytes_ = all_at_head ? head.pinned_bytes() : unmovable_bytes_;
  }
  return false;
}

void BranchSet::restart_above(const Head& head, std::int64_t now_us) {
  while (!groups_.empty() && groups_.rbegin()->first > head.seq()) {
    Branch& branch = **groups_.rbegin()->second.branches.begin();
    remove(branch);
    branch.restart(head);
    add(branch, now_us);
  }
}

}  // namespace vxs::transactions
