// A folded commit holds several records (docs/git-layout.md, "Folded commits"); here they are as
// commits of their own.
#pragma once

#include <optional>
#include <vector>

#include "store/history_reader/commit.hh"

namespace vxs::store::reader {

/// The records of a folded commit, newest first, each as its own commit would say it: subject,
/// time and trailers are the record's; id, tree and parents the folded commit's, and `fold` is set.
/// Of any other commit: the commit itself.
[[nodiscard]] std::vector<HistoryCommit> unfold(const HistoryCommit& commit);

/// The record `seq` of a folded commit; nothing if it has no such record.
[[nodiscard]] std::optional<HistoryCommit> find_record(const HistoryCommit& commit, Seq seq);

/// False if what the commit lists shows that it did not touch the node at `path` or below it (a
/// removed ancestor touches it). True for "/".
[[nodiscard]] bool may_touch(const HistoryCommit& commit, std::string_view path);

}  // namespace vxs::store::reader
