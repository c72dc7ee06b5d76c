// Follows one Xenstore path through the trees of many commits, cheaply: where a tree on the way is
// the one seen in the commit before, everything below is known.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/history_reader/repository.hh"

namespace vxs::store::reader {

/// Where a node is. A leaf is a blob and a line in the `.meta` beside it; a directory is a tree.
struct HistoryNode {
  enum class Kind : std::uint8_t { kLeaf, kDirectory, kSpecial } kind = Kind::kLeaf;
  ObjectId id;            ///< the blob or the tree
  bool escaped = false;   ///< kLeaf: the blob holds the value escaped (mode 100755)
  std::string meta_line;  ///< kLeaf: its line in `.meta`; else empty
  friend bool operator==(const HistoryNode&, const HistoryNode&) = default;
};

/// A path cut into what the layout needs of it.
class TracedPath {
 public:
  /// `path` is a canonical absolute path or an "@name".
  explicit TracedPath(std::string_view path);

  struct Component {
    std::string git_name;
    std::string bucket;  ///< the bucket that precedes it where the directory is fanned out
  };
  [[nodiscard]] const std::vector<Component>& components() const noexcept { return components_; }
  [[nodiscard]] bool special() const noexcept { return special_; }

 private:
  std::vector<Component> components_;
  bool special_ = false;
};

/// What a path met in one commit.
struct PathTrace {
  struct Step {
    ObjectId tree;
    std::size_t component = 0;  ///< the component looked up in `tree`
    bool in_bucket = false;
    friend bool operator==(const Step&, const Step&) = default;
  };
  std::vector<Step> steps;
  ObjectId meta;  ///< kLeaf: the `.meta` its line came from
  std::optional<HistoryNode> node;
  std::string git_path;  ///< of the node; of a missing one the path of what exists and the rest
};

/// Follows `path` from the tree `root`. `known`, if given, is the trace of the same path in another
/// tree. Errors: kUnreadable.
[[nodiscard]] ReadResult<PathTrace> trace_path(const Repository& repository, const TracedPath& path,
                                               const ObjectId& root,
                                               const PathTrace* known = nullptr);

}  // namespace vxs::store::reader
