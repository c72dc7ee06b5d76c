#include "transactions/fired.hh"

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>

namespace vxs::transactions {
namespace {

store::PermRef perms_before(const store::Tree& before, std::string_view path) {
  const store::Node* node = before.find(path);
  return node != nullptr ? node->perms() : store::PermRef{};
}

/// First touch of each path: the named node first, then what had to be looked at above it (E2, E3).
std::unordered_map<std::string_view, std::size_t> first_touches(
    std::span<const LoggedOperation> log) {
  std::unordered_map<std::string_view, std::size_t> touches;
  std::size_t order = 0;
  for (const auto& logged : log) {
    std::string_view path = logged.operation.path;
    touches.try_emplace(path, order++);
    while (path.size() > std::max<std::size_t>(logged.ancestor_length, 1) &&
           path.starts_with('/')) {
      path = path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
      touches.try_emplace(path, order++);
    }
  }
  return touches;
}

}  // namespace

void fired_by_request(const store::Tree& before, std::span<const store::Change> changes,
                      std::vector<Fired>& out) {
  for (const auto& change : changes) {
    if (change.implicit) continue;
    const bool removed = change.kind == store::ChangeKind::kRemove;
    out.push_back(Fired{.path = change.path,
                        .removed = removed,
                        .children_first = true,
                        .old_perms = perms_before(before, change.path)});
  }
}

void fired_by_transaction(const store::Tree& before, std::span<const store::Change> changes,
                          std::span<const LoggedOperation> log, std::vector<Fired>& out) {
  struct Fate {
    bool removed_root = false;  ///< an existing node went at this path
    bool exists = false;        ///< the path is there in the end
  };
  std::map<std::string_view, Fate> fates;  // ordered: a subtree is a range
  std::vector<std::string_view> named;
  for (const auto& change : changes) {
    if (change.implicit) continue;
    const auto [it, fresh] = fates.try_emplace(change.path);
    if (fresh) named.push_back(change.path);
    if (change.kind == store::ChangeKind::kRemove) {
      it->second.exists = false;
      it->second.removed_root = it->second.removed_root || before.find(change.path) != nullptr;
      // What lay below and was made in this transaction is gone too.
      const std::string below = std::string(change.path) + '/';
      for (auto under = fates.lower_bound(below);
           under != fates.end() && under->first.starts_with(below); ++under) {
        under->second.exists = false;
      }
    } else {
      it->second.exists = true;
    }
  }
  const auto touches = first_touches(log);
  const auto touch = [&](std::string_view path) {
    const auto found = touches.find(path);
    return found == touches.end() ? touches.size() * 2 : found->second;
  };
  std::stable_sort(named.begin(), named.end(),
                   [&](std::string_view a, std::string_view b) { return touch(a) < touch(b); });
  for (const std::string_view path : named) {
    const Fate& fate = fates.at(path);
    // Made and unmade: nothing happened (D13). Changed, then gone with an ancestor: it fires like
    // any change (D4).
    if (!fate.removed_root && !fate.exists && before.find(path) == nullptr) continue;
    out.push_back(Fired{.path = path,
                        .removed = fate.removed_root,
                        .children_first = false,
                        .old_perms = perms_before(before, path)});
  }
}

void fired_by_record(const store::Tree& before, const store::CommitRecord& record,
                     std::vector<Fired>& out) {
  const bool transaction =
      record.kind == store::CommitKind::kTransaction || record.kind == store::CommitKind::kMerge;
  if (transaction) {
    fired_by_transaction(before, record.changes, {}, out);
  } else {
    fired_by_request(before, record.changes, out);
  }
}

}  // namespace vxs::transactions
