// Who changed what: the ordinary commits of the history, all of them or those that touch a path.
//
// Each change is shown by exactly one commit (as git log --full-history --no-merges does): for a
// transaction that merged it is the transaction's own commit T, not the merge.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "protocol/ids.hh"
#include "store/history_reader/commit.hh"
#include "store/history_reader/repository.hh"

namespace vxs::store::reader {

struct LogFilter {
  std::string path;                      ///< canonical path; "" for everything
  std::optional<std::int64_t> since_us;  ///< committed after this
  Seq after_seq = 0;                     ///< Seq above this
  std::optional<DomId> domain;           ///< made by this domain
};

struct LogEntry {
  HistoryCommit commit;
  ObjectId merge;  ///< the merge on main that brought it in; null for a commit on main itself
};

/// Calls `visit` for each matching commit reachable from `head`, newest first, as it is found,
/// until it returns false. The records of a folded commit are visited one by one (fold.hh). At a
/// path, follows a leaf into a directory or a bucket. Costs one commit and the trees that changed
/// along the path per commit. Errors: kUnreadable.
[[nodiscard]] ReadResult<void> walk_log(const Repository& repository, const ObjectId& head,
                                        const LogFilter& filter,
                                        const std::function<bool(const LogEntry&)>& visit);

/// What Domain: says; nothing for the daemon itself and commits of the store.
[[nodiscard]] std::optional<DomId> domain_of(const HistoryCommit& commit);

}  // namespace vxs::store::reader
