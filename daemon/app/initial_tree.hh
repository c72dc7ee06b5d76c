// The tree a daemon begins with (conformance C7, C8).
#pragma once

#include "daemon/core/server.hh"
#include "store/perm_set.hh"
#include "store/tree.hh"

namespace vxs::daemon {

/// "/" and the two special nodes alone, before any record; all belongs to the control domain.
[[nodiscard]] store::Tree initial_tree(store::TreeStats& stats, store::PermTable& perms,
                                       DomId control = 0);

/// Commits what a fresh store contains: the permissions of "/", `@introduceDomain` (n0) and
/// `@releaseDomain` (n0, readable by all: C8), and /tool/xenstored, so that the journal says all of
/// it. Errors: as Server::commit_own.
[[nodiscard]] tl::expected<void, protocol::Error> make_initial_tree(Server& server);

}  // namespace vxs::daemon
