// A whole tree as directories of the repository: for gaps and for the
// first commit of a repository that begins late.
#pragma once

#include <cstddef>

#include "store/history/shadow_tree.hh"
#include "store/tree.hh"

namespace vxs::store {

/// Writes `tree` into the open pack, directory by directory, and returns its root. What `old`, the
/// tree before, has too keeps its creation key where the order of children allows it, its being a
/// directory and its buckets, so that the commit shows little but what changed; objects `old` has
/// are not written again. `old` must be flushed; it is trimmed to `cache_bytes`. In memory besides:
/// the directories on the way to one node. `seq` numbers new nodes. Errors: kDamaged, kIo.
[[nodiscard]] HistoryResult<ObjectId> build_snapshot(const Tree& tree, Seq seq, ShadowTree& old,
                                                     ObjectStore& objects, std::size_t cache_bytes);

}  // namespace vxs::store
