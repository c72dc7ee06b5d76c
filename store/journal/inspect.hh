// Looks at a journal directory without changing it: for `vxs fsck` and `vxs status`,
// beside a running daemon too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/env.hh"
#include "store/journal/checkpoint.hh"
#include "store/journal/journal.hh"

namespace vxs::store {

struct SegmentInfo {
  std::string path;
  std::uint64_t number = 0;
  std::uint64_t file_bytes = 0;  ///< on disk, room prepared ahead included
  std::uint64_t data_bytes = 0;  ///< header and records
  bool unused = false;           ///< prepared ahead, not begun; the rest is empty then
  bool mapped = false;
  Durability durability = Durability::kProcess;
  std::uint64_t incarnation = 0;
  std::string boot_id;
  bool begins_empty = false;
  Seq first_seq = 0;
  Seq last_seq = 0;  ///< below first_seq: no record
  std::uint64_t records = 0;
  std::uint64_t state_records = 0;  ///< of these: changes of the state beside the tree
};

struct CheckpointInfo {
  std::string path;
  std::uint64_t file_bytes = 0;
  bool good = false;  ///< every block's checksum is right
  CheckpointMeta meta;
};

struct Finding {
  enum class Severity : std::uint8_t {
    kNote,     ///< worth knowing, nothing to do: a torn end that recovery cuts
    kWarning,  ///< recovery will manage, something was lost or is in the way
    kError,    ///< records that were safe cannot be read
  } severity = Severity::kNote;
  std::string text;  ///< one sentence: file, offset, what is wrong, what to do
};

struct SystemCounts {
  std::uint64_t domains = 0;
  std::uint64_t rings = 0;  ///< introduced, frozen ones included
  std::uint64_t watches = 0;
};

struct JournalInspection {
  std::vector<SegmentInfo> segments;        ///< oldest first
  std::vector<CheckpointInfo> checkpoints;  ///< oldest first
  Seq first_seq = 0;                        ///< of the oldest record; 0: none
  Seq last_seq = 0;                         ///< of the newest record or checkpoint; 0: none
  std::uint64_t bytes = 0;                  ///< segments and checkpoints on disk
  /// The state beside the tree after last_seq; fsck_journal() only, and only where records lead to
  /// it without a hole.
  std::optional<SystemCounts> system;
  std::vector<Finding> findings;
  [[nodiscard]] bool has_errors() const noexcept;
};

/// The list alone: headers and sizes, no record is read (last_seq and records stay 0 where only
/// the records tell). For status lines.
[[nodiscard]] tl::expected<JournalInspection, JournalError> list_journal(
    Env& env, const std::string& directory);

/// Reads and checks everything. `boot_id` is that of the running machine (decides between damage
/// and a torn end as recovery does). While a daemon writes, what it adds meanwhile may or may not
/// be seen. Errors: kIo; a directory that does not exist is an empty inspection.
[[nodiscard]] tl::expected<JournalInspection, JournalError> fsck_journal(
    Env& env, const std::string& directory, const std::string& boot_id = {});

}  // namespace vxs::store
