#include "daemon/app/initial_tree.hh"

#include <array>
#include <vector>

namespace vxs::daemon {
namespace {

using protocol::Access;
using protocol::PermEntry;
using store::Change;
using store::ChangeKind;

store::PermRef private_list(store::PermTable& perms, DomId control) {
  return perms.intern(std::array{PermEntry{.domid = control, .access = Access::kNone}});
}
store::PermRef readable_list(store::PermTable& perms, DomId control) {
  return perms.intern(std::array{PermEntry{.domid = control, .access = Access::kNone},
                                 PermEntry{.domid = kDomIdAny, .access = Access::kRead}});
}

Change perms_of(std::string_view path, store::PermRef perms) {
  return Change{.kind = ChangeKind::kSetPerms,
                .implicit = true,
                .path = path,
                .value = {},
                .perms = std::move(perms)};
}
Change node(std::string_view path, store::PermRef perms) {
  return Change{.kind = ChangeKind::kCreate,
                .implicit = true,
                .path = path,
                .value = {},
                .perms = std::move(perms)};
}

}  // namespace

store::Tree initial_tree(store::TreeStats& stats, store::PermTable& perms, DomId control) {
  return {stats, private_list(perms, control), private_list(perms, control),
          readable_list(perms, control)};
}

tl::expected<void, protocol::Error> make_initial_tree(Server& server) {
  store::PermTable& perms = server.head().perm_table();
  const DomId control = server.domains().control_domid();
  const store::PermRef own = private_list(perms, control);
  const std::vector<Change> changes{perms_of("/", own), perms_of("@introduceDomain", own),
                                    perms_of("@releaseDomain", readable_list(perms, control)),
                                    node("/tool", own), node("/tool/xenstored", own)};
  return server.commit_own(changes, "initial tree");
}

}  // namespace vxs::daemon
