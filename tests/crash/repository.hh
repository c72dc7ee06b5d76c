// The history repository as stock git and the store's own reader see it.
#pragma once

#include <set>
#include <string>

#include "tests/crash/store_dump.hh"

namespace vxs::test {

struct GitOutcome {
  int exit_code = -1;
  std::string out;  // stdout and stderr
};

// `git --git-dir=<repository> <arguments>` by a shell; quote what needs it.
GitOutcome git(const std::string& repository, const std::string& arguments);

// The commit `main` names; "" before the first.
std::string main_head(const std::string& repository);
// All commits `main` reaches.
std::set<std::string> main_commits(const std::string& repository);

// "" if `git fsck --full --strict` finds nothing to say; else what it says. Objects that nothing
// names are no finding: a kill between a pack and its ref leaves some, as in any git.
std::string fsck(const std::string& repository);

// "" if the tree at the head of `main` is the one in the dump (values, permissions, order of
// children; generations are not in Git). By store::load_tree_from_history and, for `spot` (a path
// outside fan-out, "" for none), by `git show`.
std::string compare_with_history(const std::string& repository, const StoreDump& dump,
                                 const std::string& spot = "");

}  // namespace vxs::test
