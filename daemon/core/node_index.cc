#include "daemon/core/node_index.hh"

#include <algorithm>
#include <iterator>

namespace vxs::daemon {

void NodeIndex::rebuild(const store::Tree& tree) {
  walk_.reset();
  nodes_.clear();
  by_domain_.clear();
  tree.walk([this](std::string_view path, const store::Node& node) {
    (void)put(path, node.perms(), nodes_.end());
    return true;
  });
  for (const std::string_view path : {"@introduceDomain", "@releaseDomain"}) {
    if (const store::Node* node = tree.find(path)) (void)put(path, node->perms(), nodes_.end());
  }
}

void NodeIndex::begin(const store::Tree& tree) {
  nodes_.clear();
  by_domain_.clear();
  for (const std::string_view path : {"/", "@introduceDomain", "@releaseDomain"}) {
    put_current(tree, path);
  }
  walk_.emplace(Walk{.tree = tree});
  walk_->path = "/";
  walk_->levels.push_back({store::NodeCursor(walk_->tree.root()), walk_->path.size()});
}

bool NodeIndex::build(const store::Tree& head, std::size_t count) {
  for (; walk_ && count > 0; --count) {
    Walk::Level& level = walk_->levels.back();
    if (!level.child) {
      walk_->levels.pop_back();
      if (walk_->levels.empty()) walk_.reset();
      continue;
    }
    const store::Node& node = *level.child;
    level.child.next();
    std::string& path = walk_->path;
    path.resize(level.prefix);
    path.append(node.name());
    put_current(head, path);
    if (node.child_count() == 0) continue;
    path.push_back('/');
    walk_->levels.push_back({store::NodeCursor(node), path.size()});
  }
  return complete();
}

void NodeIndex::finish(const store::Tree& head) {
  while (!build(head, std::size_t{1} << 20)) {
  }
}

void NodeIndex::put_current(const store::Tree& head, std::string_view path) {
  if (const store::Node* node = head.find(path)) (void)put(path, node->perms(), nodes_.end());
}

void NodeIndex::apply(std::span<const store::Change> changes) {
  // A new node's first child comes right after it, or nearly so.
  auto next = nodes_.end();
  for (const auto& change : changes) {
    switch (change.kind) {
      case store::ChangeKind::kWrite:
        break;
      case store::ChangeKind::kCreate:
        next = put(change.path, change.perms, next);
        break;
      case store::ChangeKind::kSetPerms:
        take(change.path);
        next = put(change.path, change.perms, nodes_.end());
        break;
      case store::ChangeKind::kRemove:
        take_tree(change.path);
        next = nodes_.end();
        break;
    }
  }
}

NodeIndex::Nodes::iterator NodeIndex::put(std::string_view path, const store::PermRef& perms,
                                          Nodes::iterator hint) {
  const auto entries = perms->entries();
  const auto names_guest = [this](const auto& entry) { return mortal(entry.domid); };
  if (std::none_of(entries.begin(), entries.end(), names_guest)) return hint;
  const auto place = nodes_.insert_or_assign(hint, std::string(path), perms);
  for (const auto& entry : entries) {
    if (mortal(entry.domid)) by_domain_[entry.domid].insert(&*place);
  }
  return std::next(place);
}

void NodeIndex::unlink(const Node& node) {
  for (const auto& entry : node.second->entries()) {
    const auto found = by_domain_.find(entry.domid);
    if (found == by_domain_.end()) continue;
    found->second.erase(&node);
    if (found->second.empty()) by_domain_.erase(found);
  }
}

void NodeIndex::take(std::string_view path) {
  const auto found = nodes_.find(path);
  if (found == nodes_.end()) return;
  unlink(*found);
  nodes_.erase(found);
}

void NodeIndex::take_tree(std::string_view path) {
  if (nodes_.empty()) return;
  take(path);
  // Everything below begins with "path/", and '0' comes next after '/'.
  scratch_.assign(path).push_back('/');
  const auto first = nodes_.lower_bound(scratch_);
  scratch_.back() = '0';
  auto node = first;
  for (; node != nodes_.end() && node->first < scratch_; ++node) unlink(*node);
  nodes_.erase(first, node);
}

std::vector<NodeIndex::Named> NodeIndex::named(DomId domid) const {
  std::vector<Named> nodes;
  const auto found = by_domain_.find(domid);
  if (found == by_domain_.end()) return nodes;
  nodes.reserve(found->second.size());
  for (const Node* node : found->second) nodes.push_back({node->first, node->second});
  return nodes;
}

}  // namespace vxs::daemon
