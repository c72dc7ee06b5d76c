// The history along first parents of `main`: one commit for each moment, Seqs falling.
#pragma once

#include <functional>

#include "store/history_reader/commit.hh"
#include "store/history_reader/moment.hh"
#include "store/history_reader/repository.hh"

namespace vxs::store::reader {

[[nodiscard]] ReadResult<HistoryCommit> read_commit(const Repository& repository,
                                                    const ObjectId& id);
[[nodiscard]] ReadResult<CommitHead> read_commit_head(const Repository& repository,
                                                      const ObjectId& id);

/// Calls `visit` for `start` and its first parents, newest first, until it returns false or the
/// root was visited.
[[nodiscard]] ReadResult<void> walk_main(
    const Repository& repository, const ObjectId& start,
    const std::function<bool(const ObjectId& id, const CommitHead& head)>& visit);

/// The commit whose tree is the one of the moment: the newest on main whose Seq or time is not
/// above it (for a Seq no split; for one within a folded commit that commit, whose tree has later
/// records of the fold too); for a commit id that commit. Errors: kNotFound (before the first
/// commit, a Seq history has not reached, no such commit), kUsage (ambiguous id), kUnreadable.
[[nodiscard]] ReadResult<ObjectId> resolve_moment(const Repository& repository,
                                                  const Moment& moment);

/// The commit made for exactly this Seq: on main, or a failed transaction under refs/conflicts. For
/// a merged transaction the one on main, the merge. For a folded record the commit that holds it
/// (fold.hh). Errors: kNotFound, kUnreadable.
[[nodiscard]] ReadResult<ObjectId> find_seq(const Repository& repository, Seq seq);

}  // namespace vxs::store::reader
