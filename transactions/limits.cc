#include "transactions/limits.hh"

#include <algorithm>

namespace vxs::transactions {
namespace {

using protocol::Error;
using store::Change;
using store::ChangeKind;

bool above(std::uint64_t value, std::uint64_t limit) noexcept {
  return limit != 0 && value > limit;
}

std::size_t name_bytes(std::string_view path) noexcept { return path.size() - path.rfind('/'); }

/// The size of the largest node a request writes, the parent of a new one included (G3); 0 where
/// size does not matter.
std::size_t largest_node(const store::Tree& tree, std::span<const Change> changes) {
  const Change& first = changes.front();
  const auto found = tree.lookup(first.path);
  if (found.node == nullptr && first.kind != ChangeKind::kCreate) return 0;
  switch (first.kind) {
    case ChangeKind::kRemove:
      return 0;  // B4: must succeed whatever the parent's size
    case ChangeKind::kWrite:
      return node_size(found.node->perms()->entries().size(), first.value.size(),
                       found.node->child_names_bytes());
    case ChangeKind::kSetPerms:
      return node_size(first.perms->entries().size(), found.node->value().size(),
                       found.node->child_names_bytes());
    case ChangeKind::kCreate:
      break;
  }
  std::size_t largest = node_size(*found.ancestor) + name_bytes(first.path);
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const std::size_t names = i + 1 < changes.size() ? name_bytes(changes[i + 1].path) : 0;
    largest = std::max(
        largest, node_size(changes[i].perms->entries().size(), changes[i].value.size(), names));
  }
  return largest;
}

bool node_too_large(Limits& limits, const Owner& self, const store::Tree& tree,
                    std::span<const Change> changes) {
  const std::size_t size = largest_node(tree, changes);
  if (above(size, limits.node_size())) {
    limits.refused(Resource::kNodeSize, self);
    return true;
  }
  limits.saw(Resource::kNodeSize, size);
  return false;
}

}  // namespace

bool too_many_nodes(const Limits& limits, const Caller& caller, const NodeUsage& made) noexcept {
  const std::int64_t more = made.of({caller.domid, caller.incarnation}).nodes;
  // What came from elsewhere (G4) does not stop who makes no more.
  return more > 0 && above(limits.nodes_owned() + static_cast<std::uint64_t>(more), limits.nodes());
}

std::optional<Error> refused_by_limits(Limits& limits, const Caller& caller,
                                       const store::Tree& tree, std::span<const Change> changes,
                                       const NodeUsage* pending) {
  if (changes.empty() || changes.front().path.front() != '/') return std::nullopt;
  const Owner self{caller.domid, caller.incarnation};
  if (node_too_large(limits, self, tree, changes)) return Error::kNospc;
  if (changes.front().kind == ChangeKind::kRemove) return std::nullopt;

  NodeUsage more;
  more.changing_request(tree, changes);
  if (changes.front().kind == ChangeKind::kCreate && limits.nodes() != 0) {
    std::int64_t owned = static_cast<std::int64_t>(limits.nodes_owned()) + more.of(self).nodes;
    if (pending != nullptr) owned += pending->of(self).nodes;
    if (owned > 0 && above(static_cast<std::uint64_t>(owned), limits.nodes())) {
      limits.refused(Resource::kNodes, self);
      return Error::kNospc;
    }
  }
  if (pending != nullptr) return std::nullopt;
  for (const auto& [owner, share] : more.shares()) {
    if (share.bytes > 0 && !limits.has_memory(owner, static_cast<std::uint64_t>(share.bytes))) {
      limits.refused(Resource::kMemory, owner);
      return Error::kNomem;
    }
  }
  return std::nullopt;
}

std::optional<Error> others_refuse(Limits& limits, const Caller& caller, const NodeUsage& made) {
  const Owner self{caller.domid, caller.incarnation};
  for (const auto& [owner, share] : made.shares()) {
    if (owner == self || share.bytes <= 0) continue;
    if (limits.has_memory(owner, static_cast<std::uint64_t>(share.bytes))) continue;
    limits.refused(Resource::kMemory, owner);
    return Error::kNomem;
  }
  return std::nullopt;
}

std::optional<Error> merge_refused_by_limits(Limits& limits, const Caller& caller, store::Tree head,
                                             std::span<const Change> changes) {
  NodeUsage made;
  Seq generation = 0;
  while (!changes.empty()) {
    const auto run = store::take_run(changes);
    if (run.front().path.front() == '/' &&
        node_too_large(limits, {caller.domid, caller.incarnation}, head, run)) {
      return Error::kNospc;
    }
    made.changing_request(head, run);
    // The commit will say so.
    if (!head.apply_run(run, generation + 1, 1)) return std::nullopt;
    generation += run.size();
  }
  if (!too_many_nodes(limits, caller, made)) return others_refuse(limits, caller, made);
  limits.refused(Resource::kNodes, {caller.domid, caller.incarnation});
  return Error::kNospc;
}

}  // namespace vxs::transactions
