#include "store/tree_load.hh"

#include <utility>

#include "store/child_set.hh"
#include "store/tree_impl.hh"

namespace vxs::store {

void Tree::forget_load_cursor() const noexcept { load_cursor_.reset(); }

Node* TreeImpl::load_parent(Tree& tree, std::string_view path, Account& account) {
  if (tree.load_cursor_ == nullptr) tree.load_cursor_ = std::make_unique<LoadCursor>();
  LoadCursor& cursor = *tree.load_cursor_;
  const std::size_t length = path.rfind('/');
  auto& steps = cursor.steps;
  while (!steps.empty() && steps.back().length > length) steps.pop_back();
  if (!steps.empty() && steps.back().length == length &&
      std::string_view(cursor.path).substr(0, length) == path.substr(0, length)) {
    cursor.path.resize(length);
    return steps.back().node;
  }
  // From elsewhere: walk down from the root.
  steps.clear();
  const std::string_view parent = path.substr(0, length == 0 ? 1 : length);
  Node** slot = &tree.root_;
  own(*slot, account);
  steps.push_back({*slot, 0});
  for (std::size_t from = 1; from < parent.size();) {
    const ChildName name = ChildName::scan(parent, from);
    slot = child_own((*slot)->children_, name, account);
    if (slot == nullptr) {
      steps.clear();
      return nullptr;
    }
    own(*slot, account);
    from += name.size + std::size_t{1};
    if (from == parent.size()) {  // "/a/"
      steps.clear();
      return nullptr;
    }
    steps.push_back({*slot, from - 1});
  }
  cursor.path = path.substr(0, length);
  return *slot;
}

bool Tree::load(std::string_view path, std::string_view value, PermRef perms, Seq generation) {
  if (!perms || value.size() > kMaxValueBytes || path.empty()) return false;
  if (path.front() == '@') {
    return value.empty() && TreeImpl::set_special(*this, path, std::move(perms), generation);
  }
  if (path.front() != '/' || path.starts_with("//")) return false;
  return TreeImpl::load(*this, path, value, std::move(perms), generation);
}

bool TreeImpl::load(Tree& tree, std::string_view path, std::string_view value, PermRef perms,
                    Seq generation) {
  Account account(*tree.stats_, tree.bytes_);
  if (path.size() == 1) {
    set_value(tree.root_, value, generation, account);
    tree.root_->perms_ = std::move(perms);
    tree.forget_load_cursor();  // it may have moved
    return true;
  }
  const std::string_view text = path.substr(path.rfind('/') + 1);
  if (text.empty() || text.size() > kMaxNameBytes) return false;
  try {
    Node* parent = load_parent(tree, path, account);
    if (parent == nullptr) return false;
    const ChildName name = ChildName::whole(text);
    if (child_find(parent->children_, name) != nullptr) return false;
    LoadCursor& cursor = *tree.load_cursor_;
    cursor.path.append(path, cursor.path.size(), std::string_view::npos);
    cursor.steps.push_back({nullptr, path.size()});
    Node* node = make({.name = text,
                       .name_hash = name.hash,
                       .value = value,
                       .perms = std::move(perms),
                       .generation = generation},
                      account);
    cursor.steps.back().node = node;
    try {
      child_insert(parent->children_, node, account);
    } catch (...) {
      account.leave(chunk(*node));
      Reaper(account.stats()).drop(node);
      throw;
    }
  } catch (...) {
    tree.forget_load_cursor();
    throw;
  }
  ++tree.node_count_;
  return true;
}

}  // namespace vxs::store
