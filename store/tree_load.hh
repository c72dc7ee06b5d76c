// Where the last Tree::load() was. Internal to store/tree*.cc.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "store/tree.hh"

namespace vxs::store {

/// The nodes on the path of the node loaded last, itself included; all of them belong to the
/// loading tree alone. Loading a node below one of them neither looks the path up nor moves them.
struct LoadCursor {
  struct Step {
    Node* node;
    std::size_t length;  ///< of the node's path, 0 for "/"
  };
  std::string path;
  std::vector<Step> steps;  ///< empty: nothing known
};

}  // namespace vxs::store
