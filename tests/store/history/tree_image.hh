// A tree as plain data, from a Tree and from a commit through stock git: what docs/git-layout.md
// says must give the same image. The decoder is written from that text alone.
#pragma once

#include <map>
#include <string>

#include "store/tree.hh"

namespace vxs::history_test {

/// Path -> value, permissions in `.meta` form and children in creation order, one line for each
/// node.
using TreeImage = std::map<std::string, std::string>;

[[nodiscard]] TreeImage image_of(const store::Tree& tree);
/// Reads a commit with `git ls-tree -r` and `git cat-file --batch`. Throws std::runtime_error where
/// the layout is not as documented.
[[nodiscard]] TreeImage image_of_commit(const std::string& repository, const std::string& commit);

}  // namespace vxs::history_test
