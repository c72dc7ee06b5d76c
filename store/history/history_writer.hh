// The Git history writer: turns journal records into commits of a bare
// repository that stock git can read at every instant (design §7, docs/git-layout.md).
//
// Threads: one thread uses a HistoryWriter (the history thread). No other writes to the repository.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "store/env.hh"
#include "store/record.hh"
#include "store/tree.hh"

namespace vxs::store {

struct HistoryOptions {
  std::string repository;  ///< path of the bare repository, created 0700 when missing
  std::string host;        ///< host name in author addresses
  std::string boot_id;     ///< Boot: trailer
  std::string version;     ///< for the repository's description and README
  bool sync = true;        ///< fsync packs before they become visible
  /// Commits per second of one guest, by the records' times, that stay single; beyond that (and for
  /// everybody whenever history lags, note_lag()) up to 64 records are folded into one commit that
  /// lists them. A second's worth may come at once. 0: nothing is folded.
  std::uint32_t fold_rate = 200;
  /// Whose commits have no rate: the control domain's and the store domain's (G1).
  std::vector<DomId> without_fold_rate{0};
  /// Directories kept in memory; cold ones are dropped and read back from the packs. A quarter more
  /// for as long as one record takes. Smaller than what is written in turn, every commit reads.
  std::size_t cache_bytes = 64U << 20U;
  /// A pack larger than this is made in a file below vxenstored/tmp, not in memory.
  std::size_t pack_bytes = 16U << 20U;
  /// Paths (protocol/path_glob.hh) whose values are written as `<redacted>`.
  std::vector<std::string> redact{};
};

struct HistoryError {
  enum class Kind : std::uint8_t { kIo, kDamaged, kMismatch } kind = Kind::kIo;
  int code = 0;
  std::string message;
};

struct HistoryStats {
  std::uint64_t commits = 0, conflicts = 0, objects = 0, bytes = 0;
  std::uint64_t folded = 0;       ///< records that share their commit with others
  std::uint64_t packs = 0;        ///< that readers need; never more than 50
  std::uint64_t cache_bytes = 0;  ///< of HistoryOptions::cache_bytes in use
};

class HistoryWriter {
 public:
  virtual ~HistoryWriter() = default;
  /// Seq of the newest record visible in the repository (main's head, a gap mark, or a
  /// conflict/start noted with it); 0 if the repository has no commit.
  [[nodiscard]] virtual Seq durable_seq() const noexcept = 0;
  /// Adds a record to the open pack; visible after publish(). A Seq at or below what it already
  /// holds is ignored (replay after a crash); otherwise records come in Seq order. The same records
  /// give the same commit ids where nothing is folded; what is folded depends also on the lag, on
  /// where publish() was called and on where the writer was opened. A published commit stays. An
  /// error while a fold is open cannot be repeated: every later call fails, a new writer helps.
  [[nodiscard]] virtual tl::expected<void, HistoryError> add(const Record& record) = 0;
  /// How far behind the records that come next are, µs: above 0.5 s they are folded.
  virtual void note_lag(std::int64_t lag_us) noexcept = 0;
  /// True when the open pack is due (about 2,000 commits or its bytes).
  [[nodiscard]] virtual bool pack_is_full() const noexcept = 0;
  /// Makes everything added visible: pack, fsync, idx, fsync, rename pack, rename idx, fsync
  /// directory, refs. No-op when nothing is open. After an error it can be tried again, but with a
  /// pack above HistoryOptions::pack_bytes only by a new writer.
  [[nodiscard]] virtual tl::expected<void, HistoryError> publish() = 0;
  /// Writes one commit that carries the whole tree: after a gap (`from`..`to` records are missing
  /// because of `reason`), or as the orphan root of a new repository (no earlier commit). `tree` is
  /// only read.
  [[nodiscard]] virtual tl::expected<void, HistoryError> add_snapshot(const Tree& tree, Seq seq,
                                                                      std::int64_t time_us,
                                                                      Seq gap_from, Seq gap_to,
                                                                      std::uint64_t changes,
                                                                      std::string_view reason) = 0;
  /// Consolidates small packs, packs refs, refreshes multi-pack-index: one bounded step; false when
  /// there is nothing to do.
  [[nodiscard]] virtual tl::expected<bool, HistoryError> maintain() = 0;
  /// There is nothing to do for a while: gives memory back that the next records cost again.
  virtual void rest() noexcept = 0;
  [[nodiscard]] virtual HistoryStats stats() const = 0;
};

/// Opens or creates the repository; removes stale locks and temporary files of our own. kDamaged
/// when the head cannot be read.
[[nodiscard]] tl::expected<std::unique_ptr<HistoryWriter>, HistoryError> open_history_writer(
    Env& env, const HistoryOptions& options);

/// The newest Seq the repository knows of, noted ones included (HistoryWriter::durable_seq() of the
/// writer to come); 0 if there is no repository or no commit. Reads only. Errors: kIo, kDamaged.
[[nodiscard]] tl::expected<Seq, HistoryError> newest_history_seq(Env& env,
                                                                 const std::string& repository);

/// Rebuilds a tree from the repository's head: the fallback when journal and checkpoints are lost
/// (design §5 "Git is the fallback"). Every node gets generation `new_seq` = head Seq + 2^32, which
/// is returned. `missing` names the paths whose values history does not have, redacted ones
/// included; they are empty.
[[nodiscard]] tl::expected<Seq, HistoryError> load_tree_from_history(
    const std::string& repository, PermTable& perms, Tree& tree, std::vector<std::string>& missing);

}  // namespace vxs::store
