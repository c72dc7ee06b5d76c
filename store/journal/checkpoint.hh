// Checkpoints: a compact file with the whole state at one Seq, written off-thread from a
// snapshot (docs/journal.md). Written to a temporary name, synced, renamed.
#pragma once

#include <string>

#include "store/env.hh"
#include "store/journal/journal.hh"
#include "store/tree.hh"

namespace vxs::store {

struct CheckpointMeta {
  Seq seq = 0;
  std::int64_t time_us = 0;
  std::string boot_id;
  std::uint64_t starts = 0;
  ConnectionId last_connection = 0;
  bool clean_shutdown = false;
};

/// Writes `<directory>/checkpoint-<seq>` from `snapshot` (only read) and removes older checkpoints
/// but the one before. Any thread. Sections other than the tree (connections, watches, domains)
/// have reserved section numbers in the format.
[[nodiscard]] IoResult<void> write_checkpoint(Env& env, const std::string& directory,
                                              const CheckpointMeta& meta, const Tree& snapshot);

/// Loads one file into `tree` (bulk: 600k nodes well below one second). Every byte is checked
/// (CRC32C per block, structure); what `tree` held goes. A damaged file gives kDamaged and leaves
/// `tree` as it was; a section that may not be skipped kNewerVersion.
[[nodiscard]] tl::expected<CheckpointMeta, JournalError> load_checkpoint(Env& env,
                                                                         const std::string& path,
                                                                         PermTable& perms,
                                                                         Tree& tree);

}  // namespace vxs::store
