#include "daemon/core/observed.hh"

#include "protocol/path.hh"

namespace vxs::daemon {

using transactions::OperationKind;

Observed::Observed(std::span<const transactions::LoggedOperation> log) {
  for (const auto& logged : log) {
    paths_.emplace(logged.operation.path);
    const OperationKind kind = logged.operation.kind;
    if (kind == OperationKind::kDirectory || kind == OperationKind::kDirectoryPart) {
      directories_.emplace(logged.operation.path);
    }
  }
}

bool Observed::concerned_by(std::string_view path) const {
  if (paths_.contains(path)) return true;
  if (directories_.contains(protocol::parent_path(path))) return true;
  // An ancestor of what was observed: it may go with all that is below, or decide about rights.
  const std::string below = path == "/" ? "/" : std::string(path) + '/';
  const auto next = paths_.lower_bound(below);
  return next != paths_.end() && next->starts_with(below);
}

}  // namespace vxs::daemon
