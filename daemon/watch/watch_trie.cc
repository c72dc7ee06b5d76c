#include "daemon/watch/watch_trie.hh"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

namespace vxs::daemon {
namespace {

constexpr std::uint32_t kNoDepth = ~std::uint32_t{0};
constexpr std::size_t kFirstBuckets = 64;

/// What glibc's heap takes for a block.
std::size_t chunk_size(std::size_t bytes) noexcept {
  return bytes == 0 ? 0 : std::max<std::size_t>(32, (bytes + 8 + 15) & ~std::size_t{15});
}

std::string_view first_component(std::string_view rest) noexcept {
  const std::size_t slash = rest.find('/');
  return slash == std::string_view::npos ? rest : rest.substr(0, slash);
}

/// What is below the root in a path: "a/b" of "/a/b", all of a special one.
std::string_view below_root(std::string_view path) noexcept {
  return path.starts_with('/') ? path.substr(1) : path;
}

std::uint32_t components(std::string_view rest) noexcept {
  return rest.empty() ? 0 : 1 + static_cast<std::uint32_t>(std::ranges::count(rest, '/'));
}

/// True if `rest` begins with `label` and the label ends where a component does.
bool begins_with(std::string_view rest, std::string_view label) noexcept {
  return rest.starts_with(label) && (rest.size() == label.size() || rest[label.size()] == '/');
}

/// `rest` without a label it begins with.
std::string_view after(std::string_view rest, std::size_t label) noexcept {
  return rest.size() == label ? std::string_view() : rest.substr(label + 1);
}

/// The bytes that two texts have in common, cut to whole components of both.
std::size_t common_components(std::string_view a, std::string_view b) noexcept {
  const auto [in_a, in_b] = std::ranges::mismatch(a, b);
  auto length = static_cast<std::size_t>(in_a - a.begin());
  const auto ends = [length](std::string_view text) {
    return length == text.size() || text[length] == '/';
  };
  if (ends(a) && ends(b)) return length;
  length = a.substr(0, length).rfind('/');
  return length == std::string_view::npos ? 0 : length;
}

}  // namespace

struct WatchTrie::Node {
  Node* parent = nullptr;
  Node* first_child = nullptr;
  Node* next = nullptr;  ///< sibling
  Node* previous = nullptr;
  Node* next_hashed = nullptr;
  std::string label;           ///< the components between the parent and this node
  std::vector<Entry> entries;  ///< sorted by id
  std::uint32_t level = 0;     ///< components from the root

  [[nodiscard]] std::size_t bytes() const noexcept {
    const bool inside = label.capacity() <= std::string().capacity();
    return chunk_size(sizeof(Node)) + (inside ? 0 : chunk_size(label.capacity() + 1)) +
           chunk_size(entries.capacity() * sizeof(Entry));
  }
};

/// Where a path ends in the trie.
struct WatchTrie::Position {
  Node* node = nullptr;   ///< the node of the path's longest beginning that has one
  std::string_view rest;  ///< what of the path is left below it
};

WatchTrie::WatchTrie() : buckets_(kFirstBuckets) {
  // Guests choose the names: a hash they cannot predict keeps chains short. Nothing observable
  // depends on it.
  seed_ = reinterpret_cast<std::uintptr_t>(buckets_.data()) * 0x9E3779B97F4A7C15U;
  auto absolute = std::make_unique<Node>();
  special_ = new Node;
  absolute_ = absolute.release();
}

WatchTrie::~WatchTrie() {
  for (Node* root : {absolute_, special_}) {
    Node* node = root;
    while (node != nullptr) {
      if (node->first_child != nullptr) {
        node = node->first_child;
        continue;
      }
      const std::unique_ptr<Node> leaf(node);
      node = leaf->parent;
      if (node != nullptr) node->first_child = leaf->next;
    }
  }
}

void WatchTrie::swap(WatchTrie& other) noexcept {
  std::swap(absolute_, other.absolute_);
  std::swap(special_, other.special_);
  buckets_.swap(other.buckets_);
  std::swap(seed_, other.seed_);
  std::swap(node_count_, other.node_count_);
  std::swap(size_, other.size_);
  std::swap(bytes_, other.bytes_);
}

std::size_t WatchTrie::bytes() const noexcept {
  return bytes_ + absolute_->bytes() + special_->bytes() +
         chunk_size(buckets_.capacity() * sizeof(Node*));
}

const WatchTrie::Node& WatchTrie::root_of(std::string_view path) const noexcept {
  return path.starts_with('/') ? *absolute_ : *special_;
}

std::size_t WatchTrie::bucket(const Node& parent, std::string_view component) const noexcept {
  std::uint64_t h = seed_ ^ reinterpret_cast<std::uintptr_t>(&parent);
  const auto add = [&h](std::uint64_t word) {
    h = (h ^ word) * 0x9E3779B97F4A7C15U;
    h ^= h >> 32;
  };
  while (component.size() >= 8) {
    std::uint64_t word;
    std::memcpy(&word, component.data(), 8);
    add(word);
    component.remove_prefix(8);
  }
  std::uint64_t tail = component.size();
  for (const char c : component) tail = (tail << 8) | static_cast<unsigned char>(c);
  add(tail);
  return h & (buckets_.size() - 1);
}

WatchTrie::Node* WatchTrie::child(const Node& parent, std::string_view rest) const noexcept {
  const std::string_view component = first_component(rest);
  Node* node = buckets_[bucket(parent, component)];
  while (node != nullptr &&
         (node->parent != &parent || first_component(node->label) != component)) {
    node = node->next_hashed;
  }
  return node;
}

WatchTrie::Position WatchTrie::locate(std::string_view path) const noexcept {
  Position at{const_cast<Node*>(&root_of(path)), below_root(path)};
  while (!at.rest.empty()) {
    Node* next = child(*at.node, at.rest);
    if (next == nullptr || !begins_with(at.rest, next->label)) break;
    at = {next, after(at.rest, next->label.size())};
  }
  return at;
}

void WatchTrie::hash_in(Node& node) noexcept {
  Node*& head = buckets_[bucket(*node.parent, first_component(node.label))];
  node.next_hashed = head;
  head = &node;
}

void WatchTrie::hash_out(Node& node) noexcept {
  Node** at = &buckets_[bucket(*node.parent, first_component(node.label))];
  while (*at != &node) at = &(*at)->next_hashed;
  *at = node.next_hashed;
}

void WatchTrie::grow() {
  std::vector<Node*> old(buckets_.size() * 2);
  old.swap(buckets_);
  for (Node* node : old) {
    while (node != nullptr) {
      Node* next = node->next_hashed;
      hash_in(*node);
      node = next;
    }
  }
}

void WatchTrie::link(Node& parent, Node& node) noexcept {
  node.parent = &parent;
  node.previous = nullptr;
  node.next = parent.first_child;
  if (node.next != nullptr) node.next->previous = &node;
  parent.first_child = &node;
  hash_in(node);
}

void WatchTrie::unlink(Node& node) noexcept {
  hash_out(node);
  (node.previous == nullptr ? node.parent->first_child : node.previous->next) = node.next;
  if (node.next != nullptr) node.next->previous = node.previous;
}

WatchTrie::Node* WatchTrie::make(std::string label) {
  auto node = std::make_unique<Node>();
  node->label = std::move(label);
  if (node_count_ >= buckets_.size()) grow();
  ++node_count_;
  bytes_ += node->bytes();
  return node.release();
}

void WatchTrie::destroy(Node* node) noexcept {
  const std::unique_ptr<Node> owner(node);
  --node_count_;
  bytes_ -= owner->bytes();
}

WatchTrie::Node* WatchTrie::split(Node& node, std::size_t label_bytes) {
  std::string below = node.label.substr(label_bytes + 1);
  Node* middle = make(node.label.substr(0, label_bytes));
  // From here on nothing throws.
  Node& parent = *node.parent;
  unlink(node);
  bytes_ -= node.bytes();
  node.label.swap(below);
  bytes_ += node.bytes();
  middle->level = node.level - components(node.label);
  link(parent, *middle);
  link(*middle, node);
  return middle;
}

WatchTrie::Node* WatchTrie::insert_path(std::string_view path) {
  Position at = locate(path);
  if (at.rest.empty()) return at.node;
  Node* near = child(*at.node, at.rest);
  if (near != nullptr) {
    // The path leaves the edge to `near` somewhere within.
    const std::size_t common = common_components(near->label, at.rest);
    at = {split(*near, common), after(at.rest, common)};
    if (at.rest.empty()) return at.node;
  }
  Node* node = nullptr;
  try {
    node = make(std::string(at.rest));
  } catch (...) {
    prune(at.node);
    throw;
  }
  node->level = at.node->level + components(at.rest);
  link(*at.node, *node);
  return node;
}

void WatchTrie::add(std::string_view path, std::optional<std::uint32_t> depth, Id id) {
  Node* node = insert_path(path);
  const bool root = node->parent == nullptr;
  try {
    const std::size_t before = node->bytes();
    const auto at = std::ranges::lower_bound(node->entries, id, {}, &Entry::id);
    node->entries.insert(at, {id, depth ? std::min(*depth, kNoDepth - 1) : kNoDepth});
    if (!root) bytes_ += node->bytes() - before;
  } catch (...) {
    prune(node);
    throw;
  }
  ++size_;
}

bool WatchTrie::remove(std::string_view path, Id id) noexcept {
  const Position at = locate(path);
  if (!at.rest.empty()) return false;
  Node& node = *at.node;
  const auto found = std::ranges::lower_bound(node.entries, id, {}, &Entry::id);
  if (found == node.entries.end() || found->id != id) return false;
  const std::size_t before = node.bytes();
  node.entries.erase(found);
  if (node.entries.empty()) {
    std::vector<Entry>().swap(node.entries);
  } else if (node.entries.capacity() > 16 && node.entries.size() * 4 < node.entries.capacity()) {
    try {
      node.entries.shrink_to_fit();
    } catch (const std::bad_alloc&) {
      // It stays roomy.
    }
  }
  if (node.parent != nullptr) bytes_ -= before - node.bytes();
  --size_;
  prune(&node);
  return true;
}

/// Removes `node` if it is neither watched nor a fork, and its parent if that is so then.
void WatchTrie::prune(Node* node) noexcept {
  for (int i = 0; i < 2; ++i) {
    if (node->parent == nullptr || !node->entries.empty()) return;
    Node* only = node->first_child;
    if (only != nullptr) {
      if (only->next == nullptr) merge_down(node);
      return;
    }
    Node* parent = node->parent;
    unlink(*node);
    destroy(node);
    node = parent;
  }
}

/// Joins the edge above `node` and the one to its only child; without memory both stay.
void WatchTrie::merge_down(Node* node) noexcept {
  Node& child = *node->first_child;
  std::string label;
  try {
    label.reserve(node->label.size() + 1 + child.label.size());
  } catch (const std::bad_alloc&) {
    return;
  }
  label.append(node->label).append("/").append(child.label);
  Node& parent = *node->parent;
  unlink(child);
  unlink(*node);
  destroy(node);
  bytes_ -= child.bytes();
  child.label.swap(label);
  bytes_ += child.bytes();
  link(parent, child);
}

void WatchTrie::match(std::string_view path, Reach reach, Visit visit, void* context) const {
  if (path.empty()) return;
  const bool special = !path.starts_with('/');
  const Node* node = &root_of(path);
  std::string_view rest = below_root(path);
  const std::uint32_t level = components(rest);
  for (;;) {
    if (reach == Reach::kExactAndAbove || rest.empty()) {
      const std::uint32_t below = level - node->level;
      for (const Entry& entry : node->entries) {
        const bool given = entry.depth != kNoDepth;
        bool hit = !given || below <= entry.depth;
        if (special) hit = below == 0 ? level > 1 || !given : given && below <= entry.depth;
        if (hit) visit(context, entry.id);
      }
    }
    if (rest.empty()) return;
    const Node* next = child(*node, rest);
    if (next == nullptr || !begins_with(rest, next->label)) return;
    rest = after(rest, next->label.size());
    node = next;
  }
}

void WatchTrie::match_below(std::string_view path, Order order, VisitBelow visit,
                            void* context) const {
  if (path.empty()) return;
  const Position at = locate(path);
  const Node* top = at.node;
  bool top_is_below = false;
  if (!at.rest.empty()) {
    // The path may end within an edge: then all of its far end is below.
    top = child(*at.node, at.rest);
    if (top == nullptr || !begins_with(top->label, at.rest)) return;
    top_is_below = true;
  }

  struct Found {
    std::string path;
    const Node* node;
  };
  std::vector<Found> found;
  // Pre-order by the sibling links; `text` is the path of `node`.
  std::string text(path == "/" ? std::string_view() : path);
  if (top_is_below) text += top->label.substr(at.rest.size());
  const Node* node = top;
  for (;;) {
    if (!node->entries.empty() && (node != top || top_is_below)) found.push_back({text, node});
    if (node->first_child != nullptr) {
      node = node->first_child;
    } else {
      while (node != top && node->next == nullptr) {
        text.resize(text.size() - node->label.size() - 1);
        node = node->parent;
      }
      if (node == top) break;
      text.resize(text.size() - node->label.size() - 1);
      node = node->next;
    }
    text += '/';
    text += node->label;
  }

  std::ranges::sort(found, [order](const Found& a, const Found& b) {
    const auto [in_a, in_b] = std::ranges::mismatch(a.path, b.path);
    // Where one path ends, the other goes on with '/' or parts from it within a component.
    const auto rank = [](auto it, const std::string& text) -> int {
      if (it == text.end()) return -2;
      return *it == '/' ? -1 : static_cast<unsigned char>(*it);
    };
    const int rank_a = rank(in_a, a.path);
    const int rank_b = rank(in_b, b.path);
    const bool a_above = rank_a == -2 && rank_b == -1;
    const bool b_above = rank_b == -2 && rank_a == -1;
    if (a_above || b_above) return a_above == (order == Order::kParentsFirst);
    return rank_a < rank_b;
  });
  for (const Found& watched : found) {
    for (const Entry& entry : watched.node->entries) visit(context, entry.id, watched.path);
  }
}

}  // namespace vxs::daemon
