#include "transactions/recent_changes.hh"

#include <algorithm>

#include "transactions/path_hash.hh"

namespace vxs::transactions {

void RecentChanges::add(std::span<const store::Change> run, Seq seq, DomId author) {
  PathHash parent;
  PathHash path;
  for (const store::Change& change : run) {
    if (&change == &run.front()) {
      PathHash::along(change.path, [&](PathHash hash, std::size_t) {
        parent = path;
        path = hash;
      });
    } else {
      parent = path;
      path = parent.child(change.path.substr(change.path.rfind('/') + 1));
    }
    const bool moves_child =
        change.kind == store::ChangeKind::kCreate || change.kind == store::ChangeKind::kRemove;
    add(Entry{.seq = seq,
              .path = path.value(),
              .parent = moves_child ? parent.value() : 0,
              .author = author,
              .kind = change.kind});
  }
}

void RecentChanges::add(const Entry& entry) {
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
  std::vector<std::uint64_t> on_the_way;
  PathHash::along(path, [&](PathHash hash, std::size_t) { on_the_way.push_back(hash.value()); });
  const std::uint64_t named = on_the_way.back();
  std::sort(on_the_way.begin(), on_the_way.end());
  std::optional<Culprit> newest;
  for (const Entry& entry : entries_) {
    if (entry.seq <= since || (newest && entry.seq < newest->seq)) continue;
    const bool counts =
        entry.kind == store::ChangeKind::kWrite
            ? value && entry.path == named
            : std::binary_search(on_the_way.begin(), on_the_way.end(), entry.path) ||
                  (children && entry.parent == named);
    if (counts) newest = Culprit{.seq = entry.seq, .author = entry.author};
  }
  return newest;
}

}  // namespace vxs::transactions
