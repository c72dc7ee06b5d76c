// Reads the state a journal directory leads to, as a start would, and changes nothing: for tools,
// beside a running daemon too.
#pragma once

#include <string>

#include "store/env.hh"
#include "store/journal/journal.hh"
#include "store/perm_set.hh"
#include "store/tree.hh"

namespace vxs::store {

/// `tree` came with the initial permissions; it and `report` (its system too) are the state after
/// report.last_seq then. report.fresh: there is no state, also where there is no such directory. Of
/// another boot or not, it is read. While a daemon writes, what it adds meanwhile may or may not be
/// seen; what it removes meanwhile is an error, so try again. Errors: as open_journal's; damage is
/// one (the message says where).
[[nodiscard]] tl::expected<void, JournalError> load_state(Env& env, const std::string& directory,
                                                          const std::string& boot_id,
                                                          PermTable& perms, Tree& tree,
                                                          RecoveryReport& report);

}  // namespace vxs::store
