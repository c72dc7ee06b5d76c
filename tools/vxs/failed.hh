// The failed transactions history keeps (refs/conflicts).
#pragma once

#include <vector>

#include "store/history_reader/commit.hh"
#include "tools/vxs/context.hh"

namespace vxs::tools {

/// Commits of refs/conflicts, newest first. Errors: kUnreadable.
[[nodiscard]] reader::ReadResult<std::vector<reader::HistoryCommit>> failed_transactions(
    const reader::Repository& repository);

}  // namespace vxs::tools
