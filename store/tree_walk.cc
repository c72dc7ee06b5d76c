// Walks over whole versions. They hold a cursor per level on the heap, and nothing else.
#include <vector>

#include "store/state_mix.hh"
#include "store/tree.hh"
#include "store/tree_hash.hh"

namespace vxs::store {
namespace {

std::uint64_t content_hash(std::uint64_t place, const Node& node) noexcept {
  std::uint64_t h = mix_text(place, node.value());
  h = mix(h, node.generation());
  if (!node.perms()) return mix(h, 1);
  for (const protocol::PermEntry& entry : node.perms()->entries()) {
    h = mix(h, (std::uint64_t{entry.domid} << 8) | static_cast<std::uint64_t>(entry.access));
    h = mix(h, entry.incarnation);
  }
  return mix(h, node.perms()->entries().size());
}

// The hash of a version is a sum: each node adds its content and the order of its children, at its
// place, which is its path. So a change is taken out and put in without looking at the rest.
constexpr std::uint64_t kRootPlace = 0;

std::uint64_t special_place(const Node& node) noexcept { return mix_text(1, node.name()); }

std::uint64_t node_hash(std::uint64_t place, const Node& node) noexcept {
  std::uint64_t h = content_hash(place, node);
  for (NodeCursor child(node); child; child.next()) h = mix_text(h, child->name());
  return h;
}

std::uint64_t count_hash(std::size_t nodes) noexcept { return mix(2, nodes); }

}  // namespace

void Tree::walk(const std::function<bool(std::string_view path, const Node& node)>& visit) const {
  walk_from("/", visit);
}

void Tree::walk_from(
    std::string_view path,
    const std::function<bool(std::string_view path, const Node& node)>& visit) const {
  const Node* top = find(path);
  if (top == nullptr || !visit(path, *top)) return;
  struct Level {
    NodeCursor children;
    std::size_t length;  // of the parent's path, 0 for "/"
  };
  std::string text(path == "/" ? std::string_view() : path);
  std::vector<Level> levels{{NodeCursor(*top), text.size()}};
  while (!levels.empty()) {
    Level& level = levels.back();
    if (!level.children) {
      levels.pop_back();
      continue;
    }
    const Node& node = *level.children;
    level.children.next();
    text.resize(level.length);
    text += '/';
    text += node.name();
    if (!visit(text, node)) return;
    if (node.child_count() != 0) levels.push_back({NodeCursor(node), text.size()});
  }
}

std::uint64_t Tree::state_hash() const {
  struct Level {
    NodeCursor children;
    std::uint64_t place;  // the parent's
  };
  std::uint64_t sum = count_hash(node_count_) + node_hash(special_place(*introduce_), *introduce_) +
                      node_hash(special_place(*release_), *release_) +
                      node_hash(kRootPlace, *root_);
  std::vector<Level> levels{{NodeCursor(*root_), kRootPlace}};
  while (!levels.empty()) {
    Level& level = levels.back();
    if (!level.children) {
      levels.pop_back();
      continue;
    }
    const Node& node = *level.children;
    level.children.next();
    const std::uint64_t place = mix_text(level.place, node.name());
    sum += node_hash(place, node);
    if (node.child_count() != 0) levels.push_back({NodeCursor(node), place});
  }
  return sum;
}

std::uint64_t state_hash_from(const Tree& tree, const Tree& base, std::uint64_t base_hash) {
  struct Pair {
    const Node* before;  // nullptr: there is none
    const Node* after;
    std::uint64_t place;  // of both
  };
  std::uint64_t sum = base_hash - count_hash(base.node_count()) + count_hash(tree.node_count());
  std::vector<Pair> pairs{{&base.root(), &tree.root(), kRootPlace}};
  for (const char* const special : {"@introduceDomain", "@releaseDomain"}) {
    const Node* node = tree.find(special);
    pairs.push_back({base.find(special), node, special_place(*node)});
  }
  while (!pairs.empty()) {
    const auto [before, after, place] = pairs.back();
    pairs.pop_back();
    if (before == after) continue;  // shared, and so is all below
    if (before != nullptr) sum -= node_hash(place, *before);
    if (after != nullptr) {
      sum += node_hash(place, *after);
      for (NodeCursor child(*after); child; child.next()) {
        const Node* old = before != nullptr ? before->find_child(child->name()) : nullptr;
        if (old != &*child) pairs.push_back({old, &*child, mix_text(place, child->name())});
      }
    }
    if (before == nullptr) continue;
    for (NodeCursor child(*before); child; child.next()) {
      if (after != nullptr && after->find_child(child->name()) != nullptr) continue;
      pairs.push_back({&*child, nullptr, mix_text(place, child->name())});
    }
  }
  return sum;
}

}  // namespace vxs::store
