#include "transactions/head.hh"

namespace vxs::transactions {

Head::Head(store::TreeStats& stats, store::PermTable& table, store::Tree tree, Seq seq)
    : stats_(stats), table_(table), tree_(std::move(tree)), seq_(seq) {}

bool Head::commit(std::span<const store::Change> changes, Seq seq, DomId author) {
  for (auto rest = changes; !rest.empty();) {
    const auto run = store::take_run(rest);
    if (ledger_ != nullptr) ledger_->changing_request(tree_, run);
    if (!tree_.apply_run(run, seq)) return false;
    recent_.add(run, seq, author);
  }
  seq_ = seq;
  return true;
}

void Head::reset(store::Tree tree, Seq seq) {
  tree_ = std::move(tree);
  seq_ = seq;
}

std::size_t Head::pinned_bytes() const noexcept {
  const std::size_t reachable = tree_.bytes();
  return stats_.total_bytes > reachable ? stats_.total_bytes - reachable : 0;
}

}  // namespace vxs::transactions
