#include "transactions/node_usage.hh"

#include "protocol/path.hh"

namespace vxs::transactions {
namespace {

std::int64_t bytes_of(std::string_view path, const store::Node& node) noexcept {
  return static_cast<std::int64_t>(node_size(node) + path.size());
}

/// What a child's name takes of its parent's record.
std::int64_t name_bytes(std::string_view path) noexcept {
  const std::size_t slash = path.rfind('/');
  return static_cast<std::int64_t>(path.size() - (slash + 1) + 1);
}

bool is_special(std::string_view path) noexcept { return path.empty() || path.front() != '/'; }

}  // namespace

Owner owner_of(const store::PermSet& perms) noexcept {
  const auto& first = perms.entries().front();
  return {first.domid, first.incarnation};
}

std::size_t node_size(const store::Node& node) noexcept {
  return node_size(node.perms()->entries().size(), node.value().size(), node.child_names_bytes());
}

void NodeLedger::made(const store::Change& change) {
  adjust(
      owner_of(*change.perms), 1,
      static_cast<std::int64_t>(node_size(change.perms->entries().size(), change.value.size(), 0) +
                                change.path.size()));
}

void NodeLedger::removed(const store::Tree& before, std::string_view path) {
  before.walk_from(path, [this](std::string_view at, const store::Node& node) {
    adjust(owner_of(*node.perms()), -1, -bytes_of(at, node));
    return true;
  });
}

void NodeLedger::changing(const store::Tree& before, const store::Change& change) {
  if (is_special(change.path)) return;
  switch (change.kind) {
    case store::ChangeKind::kCreate: {
      const auto found = before.lookup(change.path);
      const std::size_t slash = change.path.rfind('/');
      if (found.node != nullptr || found.ancestor_length != (slash == 0 ? 1 : slash)) return;
      adjust(owner_of(*found.ancestor->perms()), 0, name_bytes(change.path));
      made(change);
      return;
    }
    case store::ChangeKind::kWrite: {
      const store::Node* node = before.find(change.path);
      if (node == nullptr) return;
      adjust(owner_of(*node->perms()), 0,
             static_cast<std::int64_t>(change.value.size()) -
                 static_cast<std::int64_t>(node->value().size()));
      return;
    }
    case store::ChangeKind::kRemove: {
      if (change.path.size() == 1 || before.find(change.path) == nullptr) return;
      removed(before, change.path);
      const store::Node* parent = before.find(protocol::parent_path(change.path));
      adjust(owner_of(*parent->perms()), 0, -name_bytes(change.path));
      return;
    }
    case store::ChangeKind::kSetPerms: {
      const store::Node* node = before.find(change.path);
      if (node == nullptr) return;
      const std::int64_t without = bytes_of(change.path, *node) -
                                   static_cast<std::int64_t>(8 * node->perms()->entries().size());
      adjust(owner_of(*node->perms()), -1, -bytes_of(change.path, *node));
      adjust(owner_of(*change.perms), 1,
             without + static_cast<std::int64_t>(8 * change.perms->entries().size()));
      return;
    }
  }
}

void NodeLedger::changing_request(const store::Tree& before,
                                  std::span<const store::Change> changes) {
  if (changes.empty()) return;
  changing(before, changes.front());
  // More than one are a chain of new nodes, each the parent of the next (B2).
  for (std::size_t i = 1; i < changes.size(); ++i) {
    adjust(owner_of(*changes[i - 1].perms), 0, name_bytes(changes[i].path));
    made(changes[i]);
  }
}

void NodeLedger::add_tree(const store::Tree& tree) {
  tree.walk([this](std::string_view path, const store::Node& node) {
    adjust(owner_of(*node.perms()), 1, bytes_of(path, node));
    return true;
  });
}

NodeUsage::Share NodeUsage::of(const Owner& owner) const {
  const auto found = shares_.find(owner);
  return found == shares_.end() ? Share{} : found->second;
}

void NodeUsage::adjust(const Owner& owner, std::int64_t nodes, std::int64_t bytes) {
  const auto [at, fresh] = shares_.try_emplace(owner);
  at->second.nodes += nodes;
  at->second.bytes += bytes;
  if (at->second == Share{}) shares_.erase(at);
}

}  // namespace vxs::transactions
