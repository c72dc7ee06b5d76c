// A whole tree as directories of the repository, at once: for gaps and for the
// first commit of a repository that begins late.
#pragma once

#include <memory>

#include "store/history/shadow_tree.hh"
#include "store/tree.hh"

namespace vxs::store {

/// Directories for `tree`, to be adopted by a ShadowTree. What `old`, the tree before, has too
/// keeps its creation key where the order of children allows it, its being a directory and its
/// buckets, so that the commit shows little but what changed; objects `old` has are not written
/// again. `old` must be flushed. `seq` numbers new nodes. Error: kDamaged.
[[nodiscard]] HistoryResult<std::unique_ptr<ShadowDir>> build_snapshot(const Tree& tree, Seq seq,
                                                                       ShadowTree& old,
                                                                       ObjectStore& objects);

}  // namespace vxs::store
