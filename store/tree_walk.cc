// Walks over whole versions. They hold a cursor per level on the heap, and nothing else.
#include <vector>

#include "store/state_mix.hh"
#include "store/tree.hh"

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
    std::uint64_t index;
  };
  // Each node adds a hash of its content that begins with its place: its path, and the number
  // among its siblings of each node on it.
  std::uint64_t sum = content_hash(mix_text(1, introduce_->name()), *introduce_) +
                      content_hash(mix_text(1, release_->name()), *release_) +
                      content_hash(0, *root_);
  std::vector<Level> levels{{NodeCursor(*root_), 0, 0}};
  while (!levels.empty()) {
    Level& level = levels.back();
    if (!level.children) {
      levels.pop_back();
      continue;
    }
    const Node& node = *level.children;
    level.children.next();
    const std::uint64_t place = mix(mix_text(level.place, node.name()), ++level.index);
    sum += content_hash(place, node);
    if (node.child_count() != 0) levels.push_back({NodeCursor(node), place, 0});
  }
  return mix(sum, node_count_);
}

}  // namespace vxs::store
