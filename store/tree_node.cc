// Nodes: their memory and what they answer.
#include <cstring>
#include <new>

#include "store/child_order.hh"
#include "store/child_set.hh"
#include "store/tree.hh"
#include "store/tree_impl.hh"

namespace vxs::store {

std::size_t Node::child_count() const noexcept { return child_set_count(children_); }

std::size_t Node::child_names_bytes() const noexcept {
  return children_ == nullptr ? 0 : children_->names_bytes;
}

const Node* Node::find_child(std::string_view name) const noexcept {
  if (children_ == nullptr) return nullptr;
  const ChildName wanted = ChildName::whole(name);
  return wanted.size == name.size() ? child_find(children_, wanted) : nullptr;
}

bool Node::append_child_names(std::string& out, std::size_t offset, std::size_t limit) const {
  return child_names(children_, out, offset, limit);
}

NodeCursor::NodeCursor(const Node& parent) noexcept : set_(parent.children_) {
  if (set_ == nullptr) return;
  if (set_->form == ChildForm::kLarge) {
    leaf_ = order_find(static_cast<const LargeSet*>(set_)->order, 0).leaf;
  }
  settle();
}

void NodeCursor::next() noexcept {
  ++index_;
  if (set_->form == ChildForm::kLarge) {
    const auto* leaf = static_cast<const OrderLeaf*>(leaf_);
    if (index_ == leaf->count) {
      const OrderPlace place = order_find(static_cast<const LargeSet*>(set_)->order,
                                          leaf->numbers[leaf->count - 1U] + 1);
      leaf_ = place.leaf;
      index_ = place.index;
    }
  }
  settle();
}

void NodeCursor::settle() noexcept {
  node_ = nullptr;
  if (set_->form == ChildForm::kSmall) {
    if (index_ == set_->count) return;
    node_ = static_cast<SmallSet*>(const_cast<ChildSet*>(set_))->children()[index_];
  } else if (leaf_ != nullptr) {
    node_ = child_find(set_, ChildName::whole(static_cast<const OrderLeaf*>(leaf_)->name(index_)));
  }
}

Node* TreeImpl::construct(const NodeContent& content, Account& account) {
  const std::size_t chunk = chunk_size(sizeof(Node) + content.name.size() + content.value.size());
  Node* node = new (account.allocate(chunk)) Node;
  ++account.stats().total_nodes;
  node->name_hash_ = content.name_hash;
  node->value_size_ = static_cast<std::uint32_t>(content.value.size());
  node->name_size_ = static_cast<std::uint16_t>(content.name.size());
  node->units_ = static_cast<std::uint16_t>(chunk / kUnit);
  node->generation_ = content.generation;
  char* text = reinterpret_cast<char*>(node) + sizeof(Node);
  // An empty view may have no address.
  if (!content.name.empty()) std::memcpy(text, content.name.data(), content.name.size());
  if (!content.value.empty()) {
    std::memcpy(text + content.name.size(), content.value.data(), content.value.size());
  }
  return node;
}

Node* TreeImpl::make(NodeContent content, Account& account) {
  Node* node = construct(content, account);
  node->perms_ = std::move(content.perms);
  return node;
}

Node* TreeImpl::remake(const Node& node, std::string_view value, Seq generation, Account& account) {
  Node* made = construct({.name = node.name(),
                          .name_hash = node.name_hash_,
                          .value = value,
                          .perms = {},
                          .generation = generation},
                         account);
  made->perms_ = node.perms_;
  made->children_ = node.children_;
  child_set_reference(made->children_);
  return made;
}

void TreeImpl::own(Node*& link, Account& account) {
  Node* shared = link;
  if (shared->references_ == 1) return;
  link = remake(*shared, shared->value(), shared->generation_, account);
  --shared->references_;
  account.leave(chunk(*shared));
}

void TreeImpl::set_value(Node*& link, std::string_view value, Seq generation, Account& account) {
  Node& node = *link;
  if (node.references_ == 1) {
    const std::size_t need = sizeof(Node) + node.name_size_ + value.size();
    const std::size_t have = chunk(node);
    // In place, unless the value does not fit or much less memory would do.
    if (need <= usable_size(have) && (have < 256 || 2 * chunk_size(need) >= have)) {
      char* at = reinterpret_cast<char*>(&node) + sizeof(Node) + node.name_size_;
      if (!value.empty()) std::memmove(at, value.data(), value.size());
      node.value_size_ = static_cast<std::uint32_t>(value.size());
      node.generation_ = generation;
      return;
    }
  }
  Node* made = remake(node, value, generation, account);
  account.leave(chunk(node));
  link = made;
  Reaper(account.stats()).drop(&node);
}

void Reaper::drop(Node* node) noexcept {
  if (node == nullptr || --node->references_ != 0) return;
  static_assert(sizeof(Node*) <= sizeof node->generation_);
  node->generation_ = reinterpret_cast<std::uintptr_t>(dead_);
  dead_ = node;
}

void Reaper::run() noexcept {
  while (dead_ != nullptr) {
    Node* node = dead_;
    dead_ = reinterpret_cast<Node*>(static_cast<std::uintptr_t>(node->generation_));
    ChildSet* children = node->children_;
    const std::size_t chunk = TreeImpl::chunk(*node);
    TreeImpl::destroy(*node);
    --stats_.total_nodes;
    free(node, chunk);
    child_set_drop(children, *this);
  }
}

}  // namespace vxs::store
