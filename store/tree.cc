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
    const Node* child = child_find(TreeImpl::children(*node), name);
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
      return TreeImpl::create(*this, {&change, 1}, seq, 0);
    case ChangeKind::kWrite:
      return TreeImpl::write(*this, change, seq);
    case ChangeKind::kRemove:
      return TreeImpl::remove(*this, change, seq);
    case ChangeKind::kSetPerms:
      return TreeImpl::set_perms(*this, change, seq);
  }
  return false;  // a kind of a later version
}

bool Tree::apply_run(std::span<const Change> run, Seq seq, Seq step) {
  if (run.size() == 1) return apply(run.front(), seq);
  forget_load_cursor();
  return TreeImpl::create(*this, run, seq, step);
}

/// Puts the version back if the change does not fit or memory runs out, so that the handle stays
/// what it was to same_version(). What was the handle's alone needs no care: owning changes no
/// content.
class TreeImpl::Attempt {
 public:
  explicit Attempt(Tree& tree) noexcept : tree_(tree) {
    if (tree.root_->references_ == 1) return;
    before_ = tree.root_;
    reference(before_);
    bytes_ = tree.bytes_;
  }
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;
  ~Attempt() {
    if (before_ == nullptr) return;
    tree_.bytes_ = bytes_;
    Reaper(*tree_.stats_).drop(std::exchange(tree_.root_, before_));
  }
  void succeed() noexcept {
    // Another handle holds it.
    if (before_ != nullptr) --before_->references_;
    before_ = nullptr;
  }

 private:
  Tree& tree_;
  Node* before_ = nullptr;  ///< nullptr: the root was the handle's alone, or the attempt succeeded
  std::size_t bytes_ = 0;
};

Node** TreeImpl::own_slot(Tree& tree, std::string_view path, Account& account) {
  if (path.empty() || path.front() != '/') return nullptr;
  Node** slot = &tree.root_;
  if (path.size() == 1) return slot;
  std::size_t from = 1;
  do {
    own(*slot, account);
    const ChildName name = ChildName::scan(path, from);
    slot = child_own((*slot)->children_, name, account);
    from += name.size + std::size_t{1};
  } while (slot != nullptr && from <= path.size());
  return slot;
}

Node* TreeImpl::own_node(Tree& tree, std::string_view path, Account& account) {
  Node** slot = own_slot(tree, path, account);
  if (slot == nullptr) return nullptr;
  own(*slot, account);
  return *slot;
}

Node* TreeImpl::make_run(std::span<const Change> run, Seq seq, Seq step, Account& account) {
  const std::size_t before = account.reachable();
  Node* made = nullptr;
  try {
    for (std::size_t i = run.size(); i-- > 0;) {
      const std::string_view name = split(run[i].path).name;
      // A node that gets a child has the generation of that change.
      const Seq change = made == nullptr ? i : i + 1;
      Node* node = make({.name = name,
                         .name_hash = ChildName::whole(name).hash,
                         .value = run[i].value,
                         .perms = run[i].perms,
                         .generation = seq + change * step},
                        account);
      Node* const child = std::exchange(made, node);
      if (child == nullptr) continue;
      try {
        child_insert(node->children_, child, account);
      } catch (...) {
        Reaper(account.stats()).drop(child);
        throw;
      }
    }
  } catch (...) {
    Reaper(account.stats()).drop(made);
    account.leave(account.reachable() - before);
    throw;
  }
  return made;
}

bool TreeImpl::create(Tree& tree, std::span<const Change> run, Seq seq, Seq step) {
  for (const Change& change : run) {
    const Split path = split(change.path);
    if (path.name.empty() || path.name.size() > kMaxNameBytes || !change.perms ||
        change.value.size() > kMaxValueBytes) {
      return false;
    }
  }
  const Split first = split(run.front().path);
  Account account(*tree.stats_, tree.bytes_);
  Attempt attempt(tree);
  Node* parent = own_node(tree, first.parent, account);
  if (parent == nullptr) return false;
  if (child_find(parent->children_, ChildName::whole(first.name)) != nullptr) return false;

  const std::size_t before = account.reachable();
  Node* made = make_run(run, seq, step, account);
  const std::size_t bytes = account.reachable() - before;
  try {
    child_insert(parent->children_, made, account);
  } catch (...) {
    account.leave(bytes);
    Reaper(account.stats()).drop(made);
    throw;
  }
  parent->generation_ = seq;
  tree.node_count_ += run.size();
  attempt.succeed();
  return true;
}

bool TreeImpl::write(Tree& tree, const Change& change, Seq seq) {
  Account account(*tree.stats_, tree.bytes_);
  Attempt attempt(tree);
  Node** slot = own_slot(tree, change.path, account);
  if (slot == nullptr) return false;
  set_value(*slot, change.value, seq, account);
  attempt.succeed();
  return true;
}

bool TreeImpl::remove(Tree& tree, const Change& change, Seq seq) {
  const Split path = split(change.path);
  if (path.name.empty()) return false;
  Account account(*tree.stats_, tree.bytes_);
  Attempt attempt(tree);
  Node* parent = own_node(tree, path.parent, account);
  if (parent == nullptr) return false;
  const ChildName name = ChildName::whole(path.name);
  Node* found = child_find(parent->children_, name);
  if (found == nullptr) return false;
  const Extent extent = measure(*found);
  Node* node = child_remove(parent->children_, name, account);
  parent->generation_ = seq;
  tree.node_count_ -= extent.nodes;
  tree.bytes_ -= extent.bytes;
  attempt.succeed();
  Reaper(account.stats()).drop(node);
  return true;
}

bool TreeImpl::set_perms(Tree& tree, const Change& change, Seq seq) {
  if (!change.perms) return false;
  Account account(*tree.stats_, tree.bytes_);
  Attempt attempt(tree);
  Node* node = own_node(tree, change.path, account);
  if (node == nullptr) return false;
  node->perms_ = change.perms;
  node->generation_ = seq;
  attempt.succeed();
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
