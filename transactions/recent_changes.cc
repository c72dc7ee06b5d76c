#include "transactions/recent_changes.hh"

#include <algorithm>
#include <functional>

namespace vxs::transactions {
namespace {

std::uint64_t hash_of(std::string_view path) { return std::hash<std::string_view>{}(path); }

std::string_view parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || path.size() == 1) return {};
  return path.substr(0, std::max<std::size_t>(slash, 1));
}

}  // namespace

void RecentChanges::add(const store::Change& change, Seq seq, DomId author) {
  const bool moves_child =
      change.kind == store::ChangeKind::kCreate || change.kind == store::ChangeKind::kRemove;
  const Entry entry{.seq = seq,
                    .path = hash_of(change.path),
                    .parent = moves_child ? hash_of(parent_of(change.path)) : 0,
                    .author = author,
                    .kind = change.kind};
  if (entries_.size() < kSize) {
    entries_.push_back(entry);
    return;
  }
  entries_[next_] = entry;
  next_ = (next_ + 1) % kSize;
}

std::optional<RecentChanges::Culprit> RecentChanges::last_that_touched(std::string_view path,
                                                                       bool value, bool children,
                                                                       Seq since) const {
  const std::uint64_t named = hash_of(path);
  std::vector<std::uint64_t> on_the_way;
  for (std::string_view at = path; !at.empty(); at = parent_of(at)) {
    on_the_way.push_back(hash_of(at));
  }
  std::optional<Culprit> newest;
  for (const Entry& entry : entries_) {
    if (entry.seq <= since || (newest && entry.seq < newest->seq)) continue;
    const bool counts =
        entry.kind == store::ChangeKind::kWrite
            ? value && entry.path == named
            : std::find(on_the_way.begin(), on_the_way.end(), entry.path) != on_the_way.end() ||
                  (children && entry.parent == named);
    if (counts) newest = Culprit{.seq = entry.seq, .author = entry.author};
  }
  return newest;
}

}  // namespace vxs::transactions
