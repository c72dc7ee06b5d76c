#include "daemon/loop/slot_log.hh"

#include <algorithm>
#include <string>

#include "store/crash_point.hh"

namespace vxs::daemon {
namespace {

/// Less is not worth looking through.
constexpr std::uint64_t kCompactFrom = 64 * 1024;

void encode_to(std::string& out, const transactions::BranchLogEntry& entry) {
  const std::size_t size = transactions::encoded_size(entry);
  out.resize(out.size() + size);
  transactions::encode(entry, out.data() + out.size() - size);
}

}  // namespace

void SlotLog::add(const transactions::BranchLogEntry& entry) {
  if (entry.kind == transactions::BranchLogEntry::Kind::kEnded) ++ended_;
  if (broken_) return;
  bytes_.clear();
  encode_to(bytes_, entry);
  broken_ = bytes_.empty() || !slot_.log().append(bytes_);
  VXS_CRASH_POINT("transaction-logged");
}

std::uint64_t SlotLog::begin(std::uint64_t published_begin, bool any_open) noexcept {
  if (!any_open) broken_ = false;
  return any_open && !broken_ ? published_begin : slot_.log().end();
}

void SlotLog::compact(store::PermTable& table) {
  WireBytes& log = slot_.log();
  if (ended_ == 0 || broken_ || log.size() < std::max(kCompactFrom, 2 * kept_)) return;
  ended_ = 0;
  const auto open = transactions::read_branch_log(log.view(), table);
  if (!open) return;
  std::string kept;
  for (const auto& transaction : *open) {
    encode_to(kept,
              {.tx_id = transaction.id, .kind = transactions::BranchLogEntry::Kind::kStarted});
    for (const auto& entry : transaction.entries) encode_to(kept, entry);
  }
  kept_ = kept.size();
  (void)log.rewrite(log.begin(), kept, log.begin() + kept.size());
}

}  // namespace vxs::daemon
