// The journal: ONE ordered log of every state change, in append-only segments
// (docs/journal.md), with checkpoints. Design §5.
//
// Threads: Journal belongs to the main thread, except where said. In policy kDisk it
// runs one sync thread; JournalTail (tail.hh) reads what is safe from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/ids.hh"
#include "store/env.hh"
#include "store/record.hh"
#include "store/system_state.hh"
#include "store/tree.hh"

#include <tl/expected.hpp>

namespace vxs::store {

enum class Durability : std::uint8_t {
  kMemory,  ///< segments are anonymous memory: nothing survives the process but checkpoints and Git
  kProcess,  ///< survives the death of the daemon (default)
  kDisk,     ///< group commit, fdatasync before release: survives a power cut
};

struct JournalOptions {
  std::string directory;  ///< segments and checkpoints live here (created 0700)
  Durability durability = Durability::kProcess;
  std::uint64_t segment_bytes = 16u << 20;
  std::uint64_t budget_bytes = 256u << 20;  ///< all segments together
  std::string boot_id;  ///< names the boot; segments of another boot are history, not state
  bool keep_after_reboot = true;  ///< --after-reboot keep|empty
  /// Damage is no error of open_journal(): `tree` is the state before the damage, nothing on disk
  /// is touched, and the journal is failing() for good: append() says why (EIO), probe() is false.
  bool accept_damage = false;
};

/// A record that was replayed, and what it did. All views are valid during the call; the trees may
/// be copied, which is cheap.
struct ReplayedRecord {
  const Record& record;       ///< a CommitRecord or a StateRecord
  const Tree& before;         ///< the tree without it
  const Tree& after;          ///< the tree with it; the same version for a StateRecord
  const SystemState& system;  ///< the state beside the tree, with it
  /// DomainIntroduced and DomainGone: the domain had a ring before (so that it is introduced again,
  /// or its release is told).
  bool was_introduced = false;
};

struct RecoveryReport;

/// What recovery is asked to say of the newest records, those whose effects the last run may not
/// have made known: replies, watch events.
struct ReplayHook {
  /// Records above this Seq are told, and the requests they carried out are in
  /// RecoveryReport::carried_out. Nothing: none, at no cost. Records that the newest checkpoint
  /// covers are not replayed, and so not told: a checkpoint must not be written of a version whose
  /// replies and events have not left (RecoveryReport::checkpoint_seq > *from shows that one was).
  std::optional<Seq> from{};
  /// May be empty. Sees each record once, in order, even where recovery has to read twice.
  std::function<void(const ReplayedRecord&)> tell{};
  /// May be empty. Asked once, when all is replayed and before anything in the directory is changed
  /// or made: with a sentence, the opening ends there (kIo, ECANCELED, this message).
  std::function<tl::expected<void, std::string>(const Tree& tree, const RecoveryReport& report)>
      confirm{};
};

/// The newest request of a connection that a record says was carried out.
struct CarriedOut {
  std::uint64_t ordinal = 0;
  bool conflict = false;  ///< the reply is EAGAIN, else OK
  TxId tx_id = 0;         ///< the transaction that ended with it; 0: none
  Seq seq = 0;            ///< of the record
};

/// What recovery found, for the log, `vxs status` and the first commit.
struct RecoveryReport {
  bool fresh = false;       ///< nothing was there: begin with an empty tree
  bool other_boot = false;  ///< what was found is of another boot
  Seq checkpoint_seq = 0;   ///< 0: none
  Seq last_seq = 0;         ///< last record replayed (0: none)
  std::uint64_t records_replayed = 0;
  std::uint64_t bytes_cut = 0;   ///< of a torn tail
  std::size_t segments = 0;      ///< files: each start leaves one more, until checkpoints cover it
  bool half_checkpoint = false;  ///< the last run ended while it wrote one
  std::uint64_t starts = 0;      ///< the StartRecord incarnation of the last run, 0 if none
  ConnectionId last_connection = 0;  ///< highest connection id seen
  HistoryMark history{};             ///< of the last run
  /// By connection, from records above ReplayHook::from only.
  std::map<ConnectionId, CarriedOut> carried_out;
  SystemState system;              ///< the state beside the tree, at the same Seq as the tree
  std::vector<std::string> notes;  ///< sentences for the operator
  std::string damage;              ///< accept_damage only: what is damaged; empty: nothing
};

/// Damage below what was known to be safe: the journal refuses to guess.
struct JournalError {
  enum class Kind : std::uint8_t { kIo, kDamaged, kNewerVersion } kind = Kind::kIo;
  int code = 0;         ///< errno for kIo
  std::string message;  ///< says file, offset, what is wrong and what to do
};

class Journal {
 public:
  virtual ~Journal() = default;

  /// Seq of the last appended record (recovered ones included); 0 if none.
  [[nodiscard]] virtual Seq last_seq() const noexcept = 0;
  /// Everything up to here is safe under the policy: replies and events that depend on it may
  /// leave. Any thread. Never falls; unless immediate(), always what last_seq() was at a flush().
  [[nodiscard]] virtual Seq safe_seq() const noexcept = 0;
  /// True if an append is safe as soon as append() returned (kMemory, and kProcess on a memory
  /// file system): then safe_seq() == last_seq() always, and no rollback can become necessary.
  [[nodiscard]] virtual bool immediate() const noexcept = 0;

  /// Appends a record; its seq must be last_seq() + 1. In immediate mode it is safe on return: a
  /// memcpy and one release store, no system call, unless a segment is full. Otherwise it is
  /// buffered until flush(). Errors (IoError code ENOSPC, EIO, EROFS, …): nothing was appended, the
  /// head must not change; the request is refused with ENOSPC or EIO. A full budget is ENOSPC.
  [[nodiscard]] virtual IoResult<void> append(const Record& record) = 0;

  /// End of an event-loop batch: hands what was appended to the file (kProcess by pwrite: safe on
  /// return) or to the sync thread (kDisk: safe when `on_safe` fires). Error: nothing beyond
  /// safe_seq() is kept; the caller rolls its head back to safe_seq(), answers what waits with the
  /// error and goes on; the next append tries a fresh segment.
  [[nodiscard]] virtual IoResult<void> flush() = 0;
  /// kDisk: the sync thread failed for good (it already tried a fresh segment). Fetched by the main
  /// thread after `on_safe` fired.
  [[nodiscard]] virtual IoResult<void> take_failure() = 0;
  /// Forgets every appended record above safe_seq() after a failure; last_seq() becomes safe_seq().
  virtual void rollback() = 0;
  /// True while writes are refused: append() then fails at once, without a system call, until
  /// probe() (called about every second by the daemon) returns true: writing works again. A due
  /// rollback() comes before it.
  [[nodiscard]] virtual bool failing() const noexcept = 0;
  /// True if it is failing() for good, being damaged (JournalOptions::accept_damage), or
  /// make_refusing_journal()'s.
  [[nodiscard]] virtual bool damaged() const noexcept { return false; }
  [[nodiscard]] virtual bool probe() = 0;

  /// Prepares the next segment ahead of need (slow system calls live here, not in append()); called
  /// whenever wants_preparation(). Over mapped memory a thread makes it, and wants_preparation()
  /// becomes true once more for it to be taken.
  [[nodiscard]] virtual bool wants_preparation() const noexcept = 0;
  virtual void prepare() = 0;

  /// Bytes of all segments on disk, and since the newest checkpoint.
  [[nodiscard]] virtual std::uint64_t bytes() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t bytes_since_checkpoint() const noexcept = 0;
  /// A checkpoint at `seq` is complete and synced.
  virtual void checkpoint_done(Seq seq) = 0;
  /// Git has (or has a gap mark for) everything up to `seq`. Segments covered by it and by the
  /// checkpoint before the newest are removed; where more than half of the budget is used, those
  /// covered by the newest checkpoint too.
  virtual void history_done(Seq seq) = 0;
};

/// Opens or creates the journal in options.directory and replays it: newest good checkpoint, then
/// the segments' records, into report.system and `tree` (which the caller made with the initial
/// permissions; replaced when a checkpoint is loaded). Tail rules as in design §5 and
/// docs/journal.md. `on_safe` is called from the sync thread (kDisk) whenever safe_seq() rose or a
/// failure waits; it only wakes the loop. `on_record` sees each replayed record (views valid during
/// the call), `replay` what it asks for. Another process's lock on the directory is not looked at
/// here. When the boot differs and keep_after_reboot is false, `tree` stays as given, report.system
/// empty, and numbering goes on above the highest Seq found. A directory that holds a checkpoint
/// and no segment is a good start (so a state from elsewhere begins: write the checkpoint with
/// write_checkpoint(), then open). Where no segment can be made (disk full, read-only) the journal
/// opens failing(), and the state can be read. `env`, `perms` and what `tree` needs outlive the
/// journal.
[[nodiscard]] tl::expected<std::unique_ptr<Journal>, JournalError> open_journal(
    Env& env, const JournalOptions& options, PermTable& perms, Tree& tree, RecoveryReport& report,
    std::function<void()> on_safe, const std::function<void(const Record&)>& on_record = {},
    const ReplayHook& replay = {});

/// For a state that is not in the directory and could not be written to it: damaged(), after
/// `last_seq`, and every append fails with `failure`. Nothing on disk is looked at or touched.
[[nodiscard]] std::unique_ptr<Journal> make_refusing_journal(Env& env,
                                                             const JournalOptions& options,
                                                             Seq last_seq, IoError failure);

}  // namespace vxs::store
