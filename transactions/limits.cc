#include "transactions/limits.hh"

namespace vxs::transactions {
namespace {

using protocol::Error;
using store::Change;
using store::ChangeKind;

bool above(std::uint64_t value, std::uint64_t limit) noexcept {
  return limit != 0 && value > limit;
}

std::size_t name_bytes(std::string_view path) noexcept { return path.size() - path.rfind('/'); }

/// The size of every node a request writes, the parent of a new one included (G3).
bool node_too_large(const store::Tree& tree, std::span<const Change> changes, std::uint64_t limit) {
  const Change& first = changes.front();
  const auto found = tree.lookup(first.path);
  if (found.node == nullptr && first.kind != ChangeKind::kCreate) return false;
  switch (first.kind) {
    case ChangeKind::kRemove:
      return false;  // B4: must succeed whatever the parent's size
    case ChangeKind::kWrite:
      return above(node_size(found.node->perms()->entries().size(), first.value.size(),
                             found.node->child_names_bytes()),
                   limit);
    case ChangeKind::kSetPerms:
      return above(node_size(first.perms->entries().size(), found.node->value().size(),
                             found.node->child_names_bytes()),
                   limit);
    case ChangeKind::kCreate:
      break;
  }
  if (above(node_size(*found.ancestor) + name_bytes(first.path), limit)) return true;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const std::size_t names = i + 1 < changes.size() ? name_bytes(changes[i + 1].path) : 0;
    if (above(node_size(changes[i].perms->entries().size(), changes[i].value.size(), names),
              limit)) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool too_many_nodes(const Limits& limits, const Caller& caller, const NodeUsage& made) noexcept {
  const std::int64_t more = made.of({caller.domid, caller.incarnation}).nodes;
  // What came from elsewhere (G4) does not stop who makes no more.
  return more > 0 && above(limits.nodes_owned() + static_cast<std::uint64_t>(more), limits.nodes());
}

std::optional<Error> refused_by_limits(const Limits& limits, const Caller& caller,
                                       const store::Tree& tree, std::span<const Change> changes,
                                       const NodeUsage* pending) {
  if (changes.empty() || changes.front().path.front() != '/') return std::nullopt;
  if (node_too_large(tree, changes, limits.node_size())) return Error::kNospc;
  if (changes.front().kind == ChangeKind::kRemove) return std::nullopt;

  NodeUsage more;
  more.changing_request(tree, changes);
  if (changes.front().kind == ChangeKind::kCreate && limits.nodes() != 0) {
    const Owner self{caller.domid, caller.incarnation};
    std::int64_t owned = static_cast<std::int64_t>(limits.nodes_owned()) + more.of(self).nodes;
    if (pending != nullptr) owned += pending->of(self).nodes;
    if (owned > 0 && above(static_cast<std::uint64_t>(owned), limits.nodes())) return Error::kNospc;
  }
  if (pending != nullptr) return std::nullopt;
  for (const auto& [owner, share] : more.shares()) {
    if (share.bytes > 0 && !limits.has_memory(owner, static_cast<std::uint64_t>(share.bytes))) {
      return Error::kNomem;
    }
  }
  return std::nullopt;
}

std::optional<Error> merge_refused_by_limits(const Limits& limits, const Caller& caller,
                                             store::Tree head, std::span<const Change> changes) {
  NodeUsage made;
  Seq generation = 0;
  for (const auto& change : changes) {
    const std::span<const Change> one(&change, 1);
    if (change.path.front() == '/' && node_too_large(head, one, limits.node_size())) {
      return Error::kNospc;
    }
    made.changing(head, change);
    if (!head.apply(change, ++generation)) return std::nullopt;  // the commit will say so
  }
  return too_many_nodes(limits, caller, made) ? std::optional(Error::kNospc) : std::nullopt;
}

}  // namespace vxs::transactions
