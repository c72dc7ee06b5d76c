#include "store/history/commit_window.hh"

#include <algorithm>

#include "store/history/commit_message.hh"
#include "store/history/commit_object.hh"

namespace vxs::store {

void CommitWindow::push(const MainCommit& head) {
  if (!commits_.empty() && commits_.back().seq == head.seq) {
    const Seq first_seq = commits_.back().first_seq;
    commits_.back() = head;
    commits_.back().first_seq = first_seq;
    return;
  }
  commits_.push_back(head);
  if (commits_.size() > kReach) commits_.pop_front();
}

// Reads one more commit at the old end; false where there is none.
HistoryResult<bool> CommitWindow::extend() {
  if (reached_root_ || commits_.size() >= kReach) return false;
  // The first parents' chain of the oldest commit leads on, past the commit that a split followed.
  ObjectId at = commits_.front().commit;
  std::string text;
  for (;;) {
    if (const auto read = objects_.read(at, ObjectType::kCommit, text); !read) {
      return tl::unexpected(read.error());
    }
    auto commit = parse_commit(text);
    if (!commit) return damaged("commit " + at.hex() + " is damaged");
    if (at != commits_.front().commit) {
      const Seq seq = std::max(number_trailer(commit->message, "Seq"),
                               number_trailer(commit->message, "After-Seq"));
      if (seq < commits_.front().seq) {
        commits_.push_front({seq, at, commit->tree, first_seq_trailer(commit->message, seq)});
        return true;
      }
    }
    if (commit->first_parent.is_null()) {
      reached_root_ = true;
      return false;
    }
    at = commit->first_parent;
  }
}

HistoryResult<CommitWindow::Found> CommitWindow::find(Seq seq) {
  while (commits_.front().seq > seq) {
    const auto more = extend();
    if (!more) return tl::unexpected(more.error());
    if (!*more) return Found{commits_.front(), false};
  }
  const auto after = std::ranges::upper_bound(commits_, seq, {}, &MainCommit::seq);
  return Found{*std::prev(after), after != commits_.end() && after->first_seq <= seq};
}

}  // namespace vxs::store
