#include "store/history_reader/tree_diff.hh"

#include <algorithm>
#include <map>

namespace vxs::store::reader {
namespace {

using MaybeNode = std::optional<HistoryNode>;

struct Pair {
  std::string path;
  MaybeNode from, to;
  bool below_removed = false;
};

/// Both sides of one name while two directories are compared.
using Sides = std::map<std::string, std::pair<MaybeNode, MaybeNode>, std::less<>>;

class Differ {
 public:
  Differ(const TreeView& from, const TreeView& to) : from_(from), to_(to) {}

  ReadResult<void> start(std::string_view path) {
    if (path == "/") {
      if (const auto done = push("@releaseDomain"); !done) return done;
      if (const auto done = push("@introduceDomain"); !done) return done;
    }
    return push(path);
  }

  ReadResult<void> run(const std::function<bool(const NodeChange&)>& visit) {
    while (!stack_.empty()) {
      const Pair pair = std::move(stack_.back());
      stack_.pop_back();
      if (pair.from == pair.to) continue;
      auto change = compare(pair);
      if (!change) return tl::make_unexpected(change.error());
      if (differs(*change) && !visit(*change)) return {};
      if (const auto done = push_children(pair); !done) return done;
    }
    return {};
  }

 private:
  static bool differs(const NodeChange& change) {
    return change.created || change.removed || change.value_changed() || change.perms_changed();
  }

  ReadResult<void> push(std::string_view path) {
    auto from = from_.find(path);
    if (!from) return tl::make_unexpected(from.error());
    auto to = to_.find(path);
    if (!to) return tl::make_unexpected(to.error());
    stack_.push_back({std::string(path), *std::move(from), *std::move(to), false});
    return {};
  }

  /// Reads value, permissions and creation of one side.
  static ReadResult<CreationOrder> read_side(const TreeView& view, const HistoryNode& node,
                                             std::optional<std::string>& value,
                                             std::vector<protocol::PermEntry>& perms) {
    auto bytes = view.value(node);
    if (!bytes) return tl::make_unexpected(bytes.error());
    auto meta = view.meta(node);
    if (!meta) return tl::make_unexpected(meta.error());
    value = *std::move(bytes);
    perms = std::move(meta->perms);
    return meta->created;
  }

  ReadResult<NodeChange> compare(const Pair& pair) const {
    NodeChange change;
    change.path = pair.path;
    CreationOrder old_order;
    CreationOrder new_order;
    if (pair.from) {
      const auto order = read_side(from_, *pair.from, change.old_value, change.old_perms);
      if (!order) return tl::make_unexpected(order.error());
      old_order = *order;
    }
    if (pair.to) {
      const auto order = read_side(to_, *pair.to, change.new_value, change.new_perms);
      if (!order) return tl::make_unexpected(order.error());
      new_order = *order;
    }
    const bool remade = pair.from && pair.to && old_order != new_order;
    change.created = !pair.from || remade;
    change.removed = !pair.to || remade;
    change.below_removed = pair.below_removed;
    return change;
  }

  /// Adds the children of `node` that do not lie in a container both sides share.
  static ReadResult<void> add_side(const Repository& repository,
                                   const std::vector<ChildContainer>& containers,
                                   const std::vector<ChildContainer>& others, bool is_from,
                                   Sides& sides) {
    for (const ChildContainer& container : containers) {
      const bool shared =
          std::any_of(others.begin(), others.end(), [&](const ChildContainer& other) {
            return other.bucket == container.bucket && other.tree == container.tree;
          });
      if (shared) continue;
      std::vector<HistoryChild> children;
      const auto done = append_children(repository, container.tree, children);
      if (!done) return done;
      for (HistoryChild& child : children) {
        auto& side = sides[std::move(child.name)];
        (is_from ? side.first : side.second) = std::move(child.node);
      }
    }
    return {};
  }

  static ReadResult<std::vector<ChildContainer>> containers(const Repository& repository,
                                                            const MaybeNode& node) {
    if (!node || node->kind != HistoryNode::Kind::kDirectory) return std::vector<ChildContainer>{};
    return child_containers(repository, node->id);
  }

  ReadResult<void> push_children(const Pair& pair) {
    const auto from = containers(from_.repository(), pair.from);
    if (!from) return tl::make_unexpected(from.error());
    const auto to = containers(to_.repository(), pair.to);
    if (!to) return tl::make_unexpected(to.error());
    Sides sides;
    if (auto done = add_side(from_.repository(), *from, *to, true, sides); !done) return done;
    if (auto done = add_side(to_.repository(), *to, *from, false, sides); !done) return done;
    const std::string prefix = pair.path == "/" ? "/" : pair.path + "/";
    for (auto side = sides.rbegin(); side != sides.rend(); ++side) {  // the stack turns them round
      auto& [from_node, to_node] = side->second;
      if (from_node == to_node) continue;
      stack_.push_back({prefix + side->first, std::move(from_node), std::move(to_node), !pair.to});
    }
    return {};
  }

  const TreeView& from_;
  const TreeView& to_;
  std::vector<Pair> stack_;
};

}  // namespace

ReadResult<void> diff_trees(const TreeView& from, const TreeView& to, std::string_view path,
                            const std::function<bool(const NodeChange&)>& visit) {
  Differ differ(from, to);
  if (const auto done = differ.start(path); !done) return done;
  return differ.run(visit);
}

}  // namespace vxs::store::reader
