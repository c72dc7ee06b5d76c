// The Xenstore tree of one commit: nodes by path, values, permissions, children in creation order.
// Knows the layout of docs/git-layout.md and hides it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/history_reader/meta.hh"
#include "store/history_reader/path_trace.hh"
#include "store/history_reader/repository.hh"

namespace vxs::store::reader {

/// A child of a directory.
struct HistoryChild {
  std::string name;  ///< Xenstore name
  HistoryNode node;
};

class TreeView {
 public:
  /// `repository` must outlive the view. `root` is a commit's tree.
  TreeView(const Repository& repository, ObjectId root) : repository_(&repository), root_(root) {}

  [[nodiscard]] const Repository& repository() const noexcept { return *repository_; }
  [[nodiscard]] const ObjectId& root() const noexcept { return root_; }

  /// The node at a canonical absolute path or "@name"; nothing if there is none.
  [[nodiscard]] ReadResult<std::optional<HistoryNode>> find(std::string_view path) const;

  /// Any bytes; a special node has none.
  [[nodiscard]] ReadResult<std::string> value(const HistoryNode& node) const;
  /// Permissions and creation order (a special node has only permissions). Errors: kUnreadable for
  /// a `.meta` that is missing or breaks the format.
  [[nodiscard]] ReadResult<MetaLine> meta(const HistoryNode& node) const;
  /// Children in Git's order.
  [[nodiscard]] ReadResult<std::vector<HistoryChild>> children(const HistoryNode& node) const;
  /// The same in creation order, as DIRECTORY lists them; reads two objects per child directory.
  [[nodiscard]] ReadResult<std::vector<HistoryChild>> children_in_order(
      const HistoryNode& node) const;

 private:
  const Repository* repository_;
  ObjectId root_;
};

/// The value in a blob with the given mode: the last newline is not part of it.
[[nodiscard]] ReadResult<std::string> read_value(const Repository& repository, const ObjectId& blob,
                                                 bool is_escaped);

/// A tree that holds children of one directory: the directory itself or one of its buckets.
struct ChildContainer {
  std::string bucket;  ///< "" for the directory itself
  ObjectId tree;
};
/// The containers of a directory: itself first, then its buckets in order.
[[nodiscard]] ReadResult<std::vector<ChildContainer>> child_containers(const Repository& repository,
                                                                       const ObjectId& directory);
/// Appends the children in one container.
[[nodiscard]] ReadResult<void> append_children(const Repository& repository,
                                               const ObjectId& container,
                                               std::vector<HistoryChild>& out);

}  // namespace vxs::store::reader
