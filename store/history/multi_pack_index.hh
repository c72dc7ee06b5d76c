// Git's multi-pack-index (version 1), written from the packs' own indexes in two passes, so that
// its memory does not grow with the history. (libgit2's writer needs 100 bytes for each object.)
#pragma once

#include <string>
#include <vector>

#include "store/history/object_id.hh"
#include "store/history/repository_files.hh"
#include "store/history/result.hh"

namespace vxs::store {

/// A pack above this cannot be named (its offsets would need a table of their own).
inline constexpr std::uint64_t kMostIndexedBytes = 0x7FFFFFFF;

/// Replaces objects/pack/multi-pack-index by one of these packs ("pack-<hex>"). Errors: kIo;
/// kDamaged if an index is not one of ours, then `culprit` is its pack.
[[nodiscard]] HistoryResult<void> write_multi_pack_index(RepositoryFiles& files,
                                                         ObjectHasher& hasher,
                                                         std::vector<std::string> packs,
                                                         std::string& culprit);

}  // namespace vxs::store
