#include "store/history/commit_window.hh"

#include <algorithm>
#include <ranges>
#include <utility>

#include "store/history/commit_message.hh"
#include "store/history/commit_object.hh"

namespace vxs::store {

void CommitWindow::push(const MainCommit& head) {
  if (!empty() && at(count_ - 1).seq == head.seq) {
    MainCommit& last = at(count_ - 1);
    const Seq first_seq = last.first_seq;
    last = head;
    last.first_seq = first_seq;
    return;
  }
  if (count_ == kReach) {
    ++first_;
    --count_;
  }
  make_room();
  at(count_++) = head;
}

/// For one more, at either end.
void CommitWindow::make_room() {
  constexpr std::size_t kFewest = 64;
  if (count_ < slots_.size()) return;
  std::vector<MainCommit> larger(std::max(kFewest, 2 * slots_.size()));
  for (std::size_t i = 0; i < count_; ++i) larger[i] = at(i);
  slots_ = std::move(larger);
  first_ = 0;
}

// Reads one more commit at the old end; false where there is none.
HistoryResult<bool> CommitWindow::extend() {
  if (reached_root_ || count_ >= kReach) return false;
  // The first parents' chain of the oldest commit leads on, past the commit that a split followed.
  const MainCommit oldest = at(0);
  ObjectId id = oldest.commit;
  std::string text;
  for (;;) {
    if (const auto read = objects_.read(id, ObjectType::kCommit, text); !read) {
      return tl::unexpected(read.error());
    }
    auto commit = parse_commit(text);
    if (!commit) return damaged("commit " + id.hex() + " is damaged");
    if (id != oldest.commit) {
      const Seq seq = std::max(number_trailer(commit->message, "Seq"),
                               number_trailer(commit->message, "After-Seq"));
      if (seq < oldest.seq) {
        make_room();
        --first_;
        ++count_;
        at(0) = {seq, id, commit->tree, first_seq_trailer(commit->message, seq)};
        return true;
      }
    }
    if (commit->first_parent.is_null()) {
      reached_root_ = true;
      return false;
    }
    id = commit->first_parent;
  }
}

HistoryResult<CommitWindow::Found> CommitWindow::find(Seq seq) {
  while (at(0).seq > seq) {
    const auto more = extend();
    if (!more) return tl::unexpected(more.error());
    if (!*more) return Found{at(0), false};
  }
  const auto seq_of = [this](std::size_t index) { return at(index).seq; };
  const auto indices = std::views::iota(std::size_t{0}, count_);
  const auto after = static_cast<std::size_t>(std::ranges::upper_bound(indices, seq, {}, seq_of) -
                                              indices.begin());
  return Found{at(after - 1), after != count_ && at(after).first_seq <= seq};
}

}  // namespace vxs::store
