#include "daemon/app/initial_tree.hh"

#include <array>
#include <vector>

namespace vxs::daemon {
namespace {

using protocol::Access;
using protocol::PermEntry;
using store::Change;
using store::ChangeKind;

constexpr std::array<PermEntry, 1> kDom0Only{PermEntry{.domid = 0, .access = Access::kNone}};
constexpr std::array<PermEntry, 2> kAllMayRead{
    PermEntry{.domid = 0, .access = Access::kNone},
    PermEntry{.domid = kDomIdAny, .access = Access::kRead}};

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

store::Tree initial_tree(store::TreeStats& stats, store::PermTable& perms) {
  return {stats, perms.intern(kDom0Only), perms.intern(kDom0Only), perms.intern(kAllMayRead)};
}

tl::expected<void, protocol::Error> make_initial_tree(Server& server) {
  store::PermTable& perms = server.head().perm_table();
  const store::PermRef dom0 = perms.intern(kDom0Only);
  const std::vector<Change> changes{perms_of("/", dom0), perms_of("@introduceDomain", dom0),
                                    perms_of("@releaseDomain", perms.intern(kAllMayRead)),
                                    node("/tool", dom0), node("/tool/xenstored", dom0)};
  return server.commit_own(changes, "initial tree");
}

}  // namespace vxs::daemon
