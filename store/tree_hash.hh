// The hash of a version (Tree::state_hash()) from that of another one.
#pragma once

#include <cstdint>

#include "store/tree.hh"

namespace vxs::store {

/// tree.state_hash(), where `base_hash` is that of `base`, another version of its family: O(what
/// differs), and the children of the directories in which something does.
[[nodiscard]] std::uint64_t state_hash_from(const Tree& tree, const Tree& base,
                                            std::uint64_t base_hash);

}  // namespace vxs::store
