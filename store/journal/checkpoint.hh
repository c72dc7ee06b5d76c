// Checkpoints: a compact file with the whole state at one Seq, written off-thread from a
// snapshot (docs/journal.md). Written to a temporary name, synced, renamed.
#pragma once

#include <string>

#include "store/env.hh"
#include "store/journal/journal.hh"
#include "store/system_state.hh"
#include "store/tree.hh"

namespace vxs::store {

struct CheckpointMeta {
  Seq seq = 0;
  std::int64_t time_us = 0;
  std::string boot_id;
  std::uint64_t starts = 0;
  ConnectionId last_connection = 0;
  bool clean_shutdown = false;
  HistoryMark history{};  ///< of the run that wrote it
};

/// First half of a checkpoint: writes and syncs `<directory>/checkpoint-<seq>.tmp`, which no
/// recovery looks at. `snapshot` and `system` (only read) are the state right after record
/// meta.seq, both. Any thread. On an error no file is left.
[[nodiscard]] IoResult<void> prepare_checkpoint(Env& env, const std::string& directory,
                                                const CheckpointMeta& meta, const Tree& snapshot,
                                                const SystemState& system);
/// Second half: gives the file its name and removes older checkpoints but the one before. Any
/// thread. REQUIRES that record `seq` is safe (Journal::safe_seq()) and was never rolled back since
/// the state was taken: a checkpoint must not know more than the journal. After an error the
/// prepared file is gone, or (the directory could not be synced) may have its name.
[[nodiscard]] IoResult<void> publish_checkpoint(Env& env, const std::string& directory, Seq seq);
/// Instead: removes the prepared file.
void drop_checkpoint(Env& env, const std::string& directory, Seq seq);

/// Both halves, for a state that is safe already.
[[nodiscard]] IoResult<void> write_checkpoint(Env& env, const std::string& directory,
                                              const CheckpointMeta& meta, const Tree& snapshot,
                                              const SystemState& system = {});

/// Loads one file into `tree` and `system` (bulk: 600k nodes well below one second). Every byte is
/// checked (CRC32C per block, structure); what they held goes. A file of a daemon that had no state
/// beside the tree gives an empty `system`. A damaged file gives kDamaged and leaves both as they
/// were; a section that may not be skipped kNewerVersion.
[[nodiscard]] tl::expected<CheckpointMeta, JournalError> load_checkpoint(
    Env& env, const std::string& path, PermTable& perms, Tree& tree, SystemState& system);
/// The tree alone; the rest is checked all the same.
[[nodiscard]] tl::expected<CheckpointMeta, JournalError> load_checkpoint(Env& env,
                                                                         const std::string& path,
                                                                         PermTable& perms,
                                                                         Tree& tree);

}  // namespace vxs::store
