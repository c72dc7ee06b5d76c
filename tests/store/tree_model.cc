#include "tree_model.hh"

#include <algorithm>

namespace vxs::store::test {
namespace {

std::string parent_path(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

std::string names_of(const ModelNode& node) {
  std::string names;
  for (const std::string& name : node.children) names += name + '\0';
  return names;
}

/// What the contract says of a slice, said with a loop over the names.
std::pair<std::string, bool> expected_slice(const std::string& whole, std::size_t offset,
                                            std::size_t limit) {
  std::string out;
  while (offset < whole.size()) {
    const std::size_t end = whole.find('\0', offset) + 1;
    if (out.size() + end - offset > limit) return {out, false};
    out += whole.substr(offset, end - offset);
    offset = end;
  }
  return {out, true};
}

std::string node_difference(const std::string& path, const ModelNode& want, const Node& node) {
  if (node.value() != want.value) return path + ": value";
  if (!(node.perms() == want.perms)) return path + ": perms";
  if (node.generation() != want.generation) return path + ": generation";
  if (node.child_count() != want.children.size()) return path + ": child count";
  const std::string names = names_of(want);
  if (node.child_names_bytes() != names.size()) return path + ": bytes of child names";
  NodeCursor cursor(node);
  for (const std::string& name : want.children) {
    if (!cursor || cursor->name() != name) return path + ": cursor before " + name;
    if (node.find_child(name) != &*cursor) return path + ": find_child " + name;
    cursor.next();
  }
  if (cursor) return path + ": cursor has more";
  if (node.find_child("missing") != nullptr) return path + ": finds what is missing";
  for (const std::size_t limit : {std::size_t{0}, std::size_t{7}, std::size_t{64}, names.size()}) {
    const std::size_t step = names.size() < 100 ? 1 : names.size() / 41;
    for (std::size_t offset = 0; offset <= names.size(); offset += step) {
      const std::string wrong = slice_difference(node, names, offset, limit);
      if (!wrong.empty()) return path + ": " + wrong;
    }
  }
  return "";
}

}  // namespace

std::string child_path(std::string_view parent, std::string_view name) {
  std::string path(parent == "/" ? std::string_view() : parent);
  return path.append("/").append(name);
}

std::string slice_difference(const Node& node, const std::string& whole, std::size_t offset,
                             std::size_t limit) {
  std::string out = "before";
  const bool end = node.append_child_names(out, offset, limit);
  const auto [want, want_end] = expected_slice(whole, offset, limit);
  if (out == "before" + want && end == want_end) return "";
  return "names from " + std::to_string(offset) + " within " + std::to_string(limit);
}

TreeModel::TreeModel(const PermRef& perms) {
  nodes_["/"].perms = perms;
  special_["@introduceDomain"].perms = perms;
  special_["@releaseDomain"].perms = perms;
}

bool TreeModel::apply(const Change& change, Seq seq) {
  const std::string path(change.path);
  auto& nodes = path.starts_with('@') ? special_ : nodes_;
  const auto found = nodes.find(path);
  const bool special = &nodes == &special_;
  switch (change.kind) {
    case ChangeKind::kCreate: {
      if (special || found != nodes.end() || !path.starts_with('/') || path.starts_with("//")) {
        return false;
      }
      const auto parent = nodes.find(parent_path(path));
      const std::string name = path.substr(path.rfind('/') + 1);
      if (parent == nodes.end() || name.empty() || !change.perms) return false;
      parent->second.children.push_back(name);
      parent->second.generation = seq;
      nodes[path] = {std::string(change.value), change.perms, seq, {}};
      return true;
    }
    case ChangeKind::kWrite:
      if (special || found == nodes.end()) return false;
      found->second.value = change.value;
      found->second.generation = seq;
      return true;
    case ChangeKind::kSetPerms:
      if (found == nodes.end() || !change.perms) return false;
      found->second.perms = change.perms;
      found->second.generation = seq;
      return true;
    case ChangeKind::kRemove: {
      if (special || found == nodes.end() || path == "/") return false;
      ModelNode& parent = nodes[parent_path(path)];
      std::erase(parent.children, path.substr(path.rfind('/') + 1));
      parent.generation = seq;
      std::erase_if(nodes, [&path](const auto& entry) {
        return entry.first == path || entry.first.starts_with(path + "/");
      });
      return true;
    }
  }
  return false;
}

std::vector<std::string> TreeModel::paths() const {
  std::vector<std::string> paths;
  std::vector<std::string> left{"/"};
  while (!left.empty()) {
    const std::string path = left.back();
    left.pop_back();
    paths.push_back(path);
    const auto& children = nodes_.at(path).children;
    for (auto name = children.rbegin(); name != children.rend(); ++name) {
      left.push_back(child_path(path, *name));
    }
  }
  return paths;
}

std::string TreeModel::difference(const Tree& tree) const {
  if (tree.node_count() != nodes_.size()) return "node count";
  for (const auto& [path, want] : special_) {
    const Node* node = tree.find(path);
    if (node == nullptr || node->name() != path) return path + ": missing";
    const std::string wrong = node_difference(path, want, *node);
    if (!wrong.empty()) return wrong;
  }
  const std::vector<std::string> order = paths();
  std::size_t at = 0;
  std::string wrong;
  tree.walk([&](std::string_view path, const Node& node) {
    if (at == order.size() || path != order[at]) {
      wrong = "walk meets " + std::string(path);
    } else if (tree.find(path) != &node) {
      wrong = std::string(path) + ": find";
    } else if (tree.find(child_path(path, "missing")) != nullptr) {
      wrong = std::string(path) + ": finds what is missing";
    } else {
      wrong = node_difference(order[at], nodes_.at(order[at]), node);
    }
    ++at;
    return wrong.empty();
  });
  if (wrong.empty() && at != order.size()) wrong = "walk ends early";
  return wrong;
}

Tree TreeModel::loaded(TreeStats& stats) const {
  const PermRef& perms = nodes_.at("/").perms;
  Tree tree(stats, perms, perms, perms);
  bool fine = true;
  for (const auto& [path, node] : special_) {
    fine = tree.load(path, node.value, node.perms, node.generation) && fine;
  }
  for (const std::string& path : paths()) {
    const ModelNode& node = nodes_.at(path);
    fine = tree.load(path, node.value, node.perms, node.generation) && fine;
  }
  // A tree that did not load differs in any comparison.
  if (!fine) tree = Tree(stats, perms, perms, perms);
  return tree;
}

}  // namespace vxs::store::test
