// Checks a history repository: what `vxs fsck` says of it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "store/history_reader/repository.hh"

namespace vxs::store::reader {

struct Finding {
  std::string what;    ///< one sentence: which object or ref, and what is wrong
  std::string advice;  ///< one sentence: what to do
};

struct CheckCounts {
  std::uint64_t commits = 0, trees = 0, blobs = 0, failed = 0;
};

/// Reads everything reachable from refs/heads/main and refs/conflicts, each object once and with
/// its hash computed anew, and checks: refs name commits; Seqs fall strictly along first parents (a
/// split repeats its parent's); a merge and its second parent have one Seq; times do not go
/// backwards; trees follow docs/git-layout.md: every leaf and directory has its `.meta` line, every
/// value its newline. Calls `found` for each finding; never fails otherwise. A repository without a
/// commit is fine. The daemon may write meanwhile.
[[nodiscard]] CheckCounts check_history(const Repository& repository,
                                        const std::function<void(const Finding&)>& found);

}  // namespace vxs::store::reader
