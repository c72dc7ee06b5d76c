// Opening a journal of which the newest checkpoint was read before, by a program that was waiting
// for its turn.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "store/journal/checkpoint.hh"
#include "store/journal/journal.hh"

namespace vxs::store {

/// A checkpoint in memory.
struct LoadedCheckpoint {
  CheckpointMeta meta;
  Tree tree;
  SystemState system;
};

/// The newest of a directory that can be read, beside a daemon that runs there too; nothing: there
/// is none. `tree` came with the initial permissions.
[[nodiscard]] std::optional<LoadedCheckpoint> load_newest_checkpoint(Env& env,
                                                                     const std::string& directory,
                                                                     PermTable& perms, Tree tree);

/// open_journal(), which uses `loaded` in place of its file if it still is the newest checkpoint;
/// its `system` is gone then, its tree stays.
[[nodiscard]] tl::expected<std::unique_ptr<Journal>, JournalError> open_journal_from(
    LoadedCheckpoint* loaded, Env& env, const JournalOptions& options, PermTable& perms, Tree& tree,
    RecoveryReport& report, std::function<void()> on_safe,
    const std::function<void(const Record&)>& on_record = {}, const ReplayHook& replay = {});

}  // namespace vxs::store
