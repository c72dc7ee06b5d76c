// The tree done the naive way: a map of paths, copied whole for a snapshot. What the real one is
// compared with.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "store/tree.hh"

namespace vxs::store::test {

struct ModelNode {
  std::string value;
  PermRef perms;
  Seq generation = 0;
  std::vector<std::string> children;  ///< names, in creation order
};

class TreeModel {
 public:
  explicit TreeModel(const PermRef& perms);

  bool apply(const Change& change, Seq seq);
  /// Empty if `tree` has exactly this content by everything it can be asked; else what differs.
  [[nodiscard]] std::string difference(const Tree& tree) const;
  /// A tree of another family with the same content, by load() in pre-order.
  [[nodiscard]] Tree loaded(TreeStats& stats) const;

  [[nodiscard]] const std::map<std::string, ModelNode>& nodes() const { return nodes_; }
  /// All paths in pre-order, children in creation order.
  [[nodiscard]] std::vector<std::string> paths() const;

 private:
  std::map<std::string, ModelNode> nodes_;
  std::map<std::string, ModelNode> special_;
};

/// `parent` + "/" + `name`.
[[nodiscard]] std::string child_path(std::string_view parent, std::string_view name);

/// Checks append_child_names(offset, limit) against `whole`, the list as it should be.
[[nodiscard]] std::string slice_difference(const Node& node, const std::string& whole,
                                           std::size_t offset, std::size_t limit);

}  // namespace vxs::store::test
