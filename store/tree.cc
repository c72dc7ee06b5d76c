#include "store/tree.hh"

#include <utility>
#include <vector>

#include "store/child_set.hh"
#include "store/tree_impl.hh"
#include "store/tree_load.hh"

namespace vxs::store {
namespace {

constexpr std::string_view kIntroduce = "@introduceDomain";
constexpr std::string_view kRelease = "@releaseDomain";

bool is_special(std::string_view path) noexcept { return !path.empty() && path.front() == '@'; }

/// Heap bytes and number of the nodes at and below `top`. Throws std::bad_alloc.
struct Extent {
  std::size_t nodes = 0;
  std::size_t bytes = 0;
};
Extent measure(Node& top) {
  Extent extent;
  std::vector<Node*> left;
  Node* node = &top;
  for (;;) {
    ++extent.nodes;
    extent.bytes += TreeImpl::chunk(*node);
    ChildSet* children = TreeImpl::children(*node);
    if (children != nullptr) {
      extent.bytes += child_set_bytes(*children);
      child_for_each(children, [&left](Node& child) { left.push_back(&child); });
    }
    if (left.empty()) return extent;
    node = left.back();
    left.pop_back();
  }
}

/// "/a/b/c" into "/a/b" and "c"; the parent of "/c" is "/".
struct Split {
  std::string_view parent;
  std::string_view name;
};
Split split(std::string_view path) noexcept {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || slash == 1) return {};  // "//c" is no path
  return {path.substr(0, slash == 0 ? 1 : slash), path.substr(slash + 1)};
}

}  // namespace

Tree::Tree(TreeStats& stats, PermRef root_perms, PermRef introduce_perms, PermRef release_perms)
    : stats_(&stats) {
  Account account(stats, bytes_);
  const auto make = [&account](std::string_view name, PermRef perms) {
    return TreeImpl::make({.name = name,
                           .name_hash = ChildName::whole(name).hash,
                           .value = {},
                           .perms = std::move(perms),
                           .generation = 0},
                          account);
  };
  // If one throws, those before it go.
  struct Guard {
    TreeStats& stats;
    Node* nodes[3] = {};
    ~Guard() {
      Reaper reaper(stats);
      for (Node* node : nodes) reaper.drop(node);
    }
  } guard{stats};
  guard.nodes[0] = make("", std::move(root_perms));
  guard.nodes[1] = make(kIntroduce, std::move(introduce_perms));
  guard.nodes[2] = make(kRelease, std::move(release_perms));
  root_ = std::exchange(guard.nodes[0], nullptr);
  introduce_ = std::exchange(guard.nodes[1], nullptr);
  release_ = std::exchange(guard.nodes[2], nullptr);
  node_count_ = 1;
}

Tree::Tree(const Tree& other) noexcept
    : stats_(other.stats_),
      root_(other.root_),
      introduce_(other.introduce_),
      release_(other.release_),
      node_count_(other.node_count_),
      bytes_(other.bytes_) {
  other.forget_load_cursor();
  if (root_ == nullptr) return;
  TreeImpl::reference(root_);
  TreeImpl::reference(introduce_);
  TreeImpl::reference(release_);
}

Tree::Tree(Tree&& other) noexcept
    : stats_(other.stats_),
      root_(std::exchange(other.root_, nullptr)),
      introduce_(std::exchange(other.introduce_, nullptr)),
      release_(std::exchange(other.release_, nullptr)),
      node_count_(std::exchange(other.node_count_, 0)),
      bytes_(std::exchange(other.bytes_, 0)),
      load_cursor_(std::move(other.load_cursor_)) {}

Tree& Tree::operator=(const Tree& other) noexcept {
  if (this != &other) *this = Tree(other);
  return *this;
}

Tree& Tree::operator=(Tree&& other) noexcept {
  std::swap(stats_, other.stats_);
  std::swap(root_, other.root_);
  std::swap(introduce_, other.introduce_);
  std::swap(release_, other.release_);
  std::swap(node_count_, other.node_count_);
  std::swap(bytes_, other.bytes_);
  std::swap(load_cursor_, other.load_cursor_);
  return *this;
}

Tree::~Tree() {
  if (root_ == nullptr) return;
  Reaper reaper(*stats_);
  reaper.drop(root_);
  reaper.drop(introduce_);
  reaper.drop(release_);
}

const Node* Tree::find(std::string_view path) const noexcept { return lookup(path).node; }

Tree::Lookup Tree::lookup(std::string_view path) const noexcept {
  if (path.empty() || path.front() != '/') {
    if (path == kIntroduce) return {introduce_, introduce_, path.size()};
    if (path == kRelease) return {release_, release_, path.size()};
    return {nullptr, root_, 0};
  }
  if (path.size() == 1) return {root_, root_, 1};
  const Node* node = root_;
  std::size_t from = 1;
  for (;;) {
    const ChildName name = ChildName::scan(path, from);
    const ChildSet* children = TreeImpl::children(*node);
    const Node* child = child_find(children, name);
    if (child == nullptr) return {nullptr, node, from == 1 ? 1 : from - 1};
    node = child;
    from += name.size + std::size_t{1};
    if (from > path.size()) return {node, node, path.size()};
  }
}

bool Tree::same_version(const Tree& other) const noexcept {
  return root_ == other.root_ && introduce_ == other.introduce_ && release_ == other.release_;
}

bool Tree::apply(const Change& change, Seq seq) {
  forget_load_cursor();
  if (is_special(change.path)) {
    return change.kind == ChangeKind::kSetPerms &&
           TreeImpl::set_special(*this, change.path, change.perms, seq);
  }
  if (change.path.empty() || change.value.size() > kMaxValueBytes) return false;
  switch (change.kind) {
    case ChangeKind::kCreate:
      return TreeImpl::create(*this, change, seq);
    case ChangeKind::kWrite:
      return TreeImpl::write(*this, change, seq);
    case ChangeKind::kRemove:
      return TreeImpl::remove(*this, change, seq);
    case ChangeKind::kSetPerms:
      return TreeImpl::set_perms(*this, change, seq);
  }
  return false;  // a kind of a later version
}

Node** TreeImpl::find_slot(Tree& tree, std::string_view path, bool& unique) noexcept {
  if (path.empty() || path.front() != '/') return nullptr;
  Node** slot = &tree.root_;
  unique = tree.root_->references_ == 1;
  std::size_t from = 1;
  while (from < path.size()) {
    const ChildName name = ChildName::scan(path, from);
    slot = child_find((*slot)->children_, name, unique);
    if (slot == nullptr) return nullptr;
    if ((*slot)->references_ != 1) unique = false;
    from += name.size + std::size_t{1};
    if (from == path.size()) return nullptr;  // "/a/"
  }
  return slot;
}

Node** TreeImpl::own_slot(Tree& tree, std::string_view path, Account& account) {
  Node** slot = &tree.root_;
  std::size_t from = 1;
  while (from < path.size()) {
    own(*slot, account);
    const ChildName name = ChildName::scan(path, from);
    slot = child_own((*slot)->children_, name, account);
    from += name.size + std::size_t{1};
  }
  return slot;
}

Node* TreeImpl::own_node(Tree& tree, std::string_view path, bool unique, Node** slot,
                         Account& account) {
  if (!unique) {
    slot = own_slot(tree, path, account);
    own(*slot, account);
  }
  return *slot;
}

bool TreeImpl::create(Tree& tree, const Change& change, Seq seq) {
  const Split path = split(change.path);
  if (path.name.empty() || path.name.size() > kMaxNameBytes || !change.perms) return false;
  bool unique = false;
  Node** slot = find_slot(tree, path.parent, unique);
  if (slot == nullptr) return false;
  const ChildName name = ChildName::whole(path.name);
  if (child_find(std::as_const(**slot).children_, name) != nullptr) return false;

  Account account(*tree.stats_, tree.bytes_);
  Node* parent = own_node(tree, path.parent, unique, slot, account);
  Node* node = make({.name = path.name,
                     .name_hash = name.hash,
                     .value = change.value,
                     .perms = change.perms,
                     .generation = seq},
                    account);
  try {
    child_insert(parent->children_, node, account);
  } catch (...) {
    account.leave(chunk(*node));
    Reaper(account.stats()).drop(node);
    throw;
  }
  parent->generation_ = seq;
  ++tree.node_count_;
  return true;
}

bool TreeImpl::write(Tree& tree, const Change& change, Seq seq) {
  bool unique = false;
  Node** slot = find_slot(tree, change.path, unique);
  if (slot == nullptr) return false;
  Account account(*tree.stats_, tree.bytes_);
  if (!unique) slot = own_slot(tree, change.path, account);
  set_value(*slot, change.value, seq, account);
  return true;
}

bool TreeImpl::remove(Tree& tree, const Change& change, Seq seq) {
  const Split path = split(change.path);
  if (path.name.empty()) return false;
  bool unique = false;
  Node** slot = find_slot(tree, path.parent, unique);
  if (slot == nullptr) return false;
  const ChildName name = ChildName::whole(path.name);
  bool ignored = false;
  Node** found = child_find((*slot)->children_, name, ignored);
  if (found == nullptr) return false;
  const Extent extent = measure(**found);

  Account account(*tree.stats_, tree.bytes_);
  Node* parent = own_node(tree, path.parent, unique, slot, account);
  Node* node = child_remove(parent->children_, name, account);
  parent->generation_ = seq;
  tree.node_count_ -= extent.nodes;
  tree.bytes_ -= extent.bytes;
  Reaper(account.stats()).drop(node);
  return true;
}

bool TreeImpl::set_perms(Tree& tree, const Change& change, Seq seq) {
  if (!change.perms) return false;
  bool unique = false;
  Node** slot = find_slot(tree, change.path, unique);
  if (slot == nullptr) return false;
  Account account(*tree.stats_, tree.bytes_);
  Node* node = own_node(tree, change.path, unique, slot, account);
  node->perms_ = change.perms;
  node->generation_ = seq;
  return true;
}

bool TreeImpl::set_special(Tree& tree, std::string_view path, PermRef perms, Seq seq) {
  if (!perms || (path != kIntroduce && path != kRelease)) return false;
  Account account(*tree.stats_, tree.bytes_);
  Node*& link = path == kIntroduce ? tree.introduce_ : tree.release_;
  own(link, account);
  link->perms_ = std::move(perms);
  link->generation_ = seq;
  return true;
}

}  // namespace vxs::store
