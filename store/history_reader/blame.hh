// The commit that last changed each node of a subtree.
#pragma once

#include <string>
#include <vector>

#include "protocol/permissions.hh"
#include "store/history_reader/change_log.hh"
#include "store/history_reader/repository.hh"

namespace vxs::store::reader {

struct BlamedNode {
  std::string path;
  std::string value;
  std::vector<protocol::PermEntry> perms;
  LogEntry value_by;  ///< made the node or gave it its value
  LogEntry perms_by;  ///< made the node or gave it its permissions
};

/// Blames the nodes at and below `path` as they are in the commit `head` of main, parents first,
/// siblings in creation order. Nothing if there is no such node. Walks back until every node is
/// explained. Errors: kUnreadable.
[[nodiscard]] ReadResult<std::vector<BlamedNode>> blame(const Repository& repository,
                                                        const ObjectId& head,
                                                        const std::string& path);

}  // namespace vxs::store::reader
