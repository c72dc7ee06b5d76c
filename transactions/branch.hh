// A transaction: a branch of the tree (design §4).
//
// It starts from a snapshot of the head, the base, and works on a version of
// its own. A transaction that wrote nothing commits at its base, always. Any
// other commits at the head it meets, and fails if and only if replaying its
// requests there would give one of them another answer.
#pragma once

#include <cstdint>
#include <memory>
#include <memory_resource>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "protocol/error.hh"
#include "protocol/ids.hh"
#include "store/record.hh"
#include "store/tree.hh"
#include "transactions/answer_hash.hh"
#include "transactions/branch_log.hh"
#include "transactions/head.hh"
#include "transactions/limits.hh"
#include "transactions/node_usage.hh"
#include "transactions/operation.hh"
#include "transactions/path_hash.hh"

namespace vxs::transactions {

/// Why a transaction cannot commit: the request whose answer differs, where, and who made it
/// differ.
struct Conflict {
  std::string path;
  OperationKind request = OperationKind::kRead;
  Seq blocking_seq = 0;                  ///< 0: unknown, it was in an earlier process
  DomId blocking_domid = kDomIdInvalid;  ///< unknown: of an earlier process, or too long ago
};

/// What a commit does.
struct Decision {
  enum class Kind : std::uint8_t {
    kNothing,   ///< wrote nothing: committed at its base, no record
    kCommit,    ///< apply `changes` to the head
    kConflict,  ///< EAGAIN
    kRefused,   ///< by a limit of its caller: `error`
  } kind = Kind::kNothing;
  store::CommitKind commit = store::CommitKind::kTransaction;  ///< kCommit: kTransaction or kMerge
  Seq base_seq = 0;
  /// kCommit: fit the head's tree. kConflict: fit the base's. Valid while the branch lives
  /// unchanged.
  std::span<const store::Change> changes{};
  const Conflict* conflict = nullptr;  ///< kConflict
  /// kRefused: kNomem for a poisoned branch and for the memory of others, kNospc for too many nodes
  /// (B13).
  protocol::Error error = protocol::Error::kNospc;
};

/// An operation as the branch keeps it (strings in the branch's arena).
struct LoggedOperation {
  Operation operation;
  /// Nodes looked at on the way when the named one was missing: length of the existing ancestor's
  /// path.
  std::size_t ancestor_length = 0;
  /// Answered as refused by a limit: it changed nothing, here and wherever it is replayed. What is
  /// compared is the answer it would have had without limits, so that no limit causes a conflict.
  bool refused = false;
};

class Branch {
 public:
  /// A branch of the head as it is now, for `caller`.
  Branch(TxId id, const Head& head, const Caller& caller, std::int64_t started_us = 0);
  /// The branch that an earlier process logged (keep_log()), at the head of this one, which is the
  /// head the branch had met there or a later one. `entries` are those of OpenTransaction, of the
  /// same caller; `limits` are given if the caller has any. Logs on, with the same key.
  ///
  /// If every operation has the logged answer here, the branch goes on from this head. Else it is
  /// doomed as by rebase(): END gives EAGAIN, reads go on from the head plus what it wrote. What
  /// was doomed before is so again only if an answer differs here too. Cost: as replaying it.
  [[nodiscard]] static std::unique_ptr<Branch> resume(const Head& head, const Caller& caller,
                                                      TxId id,
                                                      std::span<const BranchLogEntry> entries,
                                                      const HashKey& key, Limits* limits = nullptr);
  Branch(const Branch&) = delete;
  Branch& operator=(const Branch&) = delete;

  [[nodiscard]] TxId id() const noexcept { return id_; }
  /// As it was given: when the client began it, wherever its base is since.
  [[nodiscard]] std::int64_t started_us() const noexcept { return started_us_; }
  /// The commit the branch starts from; moves forward when rebase() could move it unobservably.
  [[nodiscard]] Seq base_seq() const noexcept { return base_seq_; }
  [[nodiscard]] bool doomed() const noexcept { return doomed_.has_value(); }
  [[nodiscard]] bool wrote() const noexcept { return !changes_.empty(); }
  /// More nodes were touched than the limit allows: END fails (E10).
  [[nodiscard]] bool poisoned() const noexcept { return poisoned_; }
  /// Distinct nodes looked at, counted for callers with limits only (E10).
  [[nodiscard]] std::size_t touched_nodes() const noexcept { return touched_.size(); }
  /// Bytes of the log, its strings and what it changed: what its owner is charged for (G6). Never
  /// less than the nodes it made will take.
  [[nodiscard]] std::size_t log_bytes() const noexcept { return log_bytes_; }
  [[nodiscard]] std::span<const LoggedOperation> log() const noexcept { return log_; }

  /// Evaluates a request on the branch and remembers it. The answer's data is valid until the next
  /// call. With `limits`: kNospc for node-size, nodes and transaction-nodes, which poisons the
  /// branch too; kNomem if its owner has no memory for the request.
  [[nodiscard]] Answer execute(store::PermTable& table, const Operation& operation,
                               std::string& scratch, Limits* limits = nullptr);

  /// From now on last_entry() says what was executed.
  void keep_log(const HashKey& key) noexcept { key_ = key; }
  /// What the last execute() did, for a log that outlives the process; nullptr where it left
  /// nothing behind, and without keep_log(). Valid until the next call.
  [[nodiscard]] const BranchLogEntry* last_entry() const noexcept {
    return entry_ ? &*entry_ : nullptr;
  }

  /// What END with "T" does on `head`. A conflict comes before a limit: what fails by limits alone
  /// is kRefused, or the client would try again for ever. After kCommit call release_trees() before
  /// committing, so that the head can change in place.
  [[nodiscard]] Decision decide(const Head& head, Limits* limits = nullptr);

  /// Drops both versions; only destruction may follow. Decision::changes stay valid.
  void release_trees() noexcept;

  /// Lets go of the base: moves it to the head if nothing the branch was told would differ there,
  /// else dooms the branch, after which END gives EAGAIN and reads go on from the head plus what
  /// the branch wrote.
  void rebase(const Head& head);

  /// The head went back below the base (Head::reset): begins again from the head; allowed only
  /// before the first operation.
  void restart(const Head& head);

 private:
  std::string_view keep(std::string_view bytes);
  bool facts_hold(const store::Tree& head) const;
  /// The first of so many new ones, each 1 more than the one before.
  Seq take_generations(std::size_t count) noexcept {
    const Seq first = base_seq_ + generation_steps_ + 1;
    generation_steps_ += count;
    return first;
  }
  void doom(Conflict conflict);
  void forget_reads();
  void recount(const store::Tree& base);
  [[nodiscard]] Owner self() const noexcept { return {caller_.domid, caller_.incarnation}; }
  LoggedOperation kept(const Operation& operation, std::size_t ancestor_length);
  void execute_again(store::PermTable& table, std::span<const BranchLogEntry> entries,
                     const Limits* limits);
  bool touch_again(PathHash path, const Limits& limits);
  bool touch(PathHash path, Limits& limits);
  std::optional<protocol::Error> refused_now(Limits& limits, std::span<const store::Change> made,
                                             std::size_t& cost);
  std::optional<protocol::Error> refused_at_end(const Head& head, Limits& limits,
                                                bool merges) const;

  TxId id_;
  std::int64_t started_us_;
  Caller caller_;
  Seq base_seq_;
  /// Generations within the branch only have to change with every write (B6).
  Seq generation_steps_ = 0;
  /// Both are there until release_trees().
  std::optional<store::Tree> base_;
  std::optional<store::Tree> work_;
  std::pmr::monotonic_buffer_resource arena_;
  std::vector<LoggedOperation> log_;
  std::vector<store::Change> changes_;
  std::size_t log_bytes_ = 0;
  /// Callers with limits only: paths looked at, as hashes (two that collide count as one), and what
  /// the branch changed for whom.
  std::unordered_set<std::uint64_t> touched_;
  NodeUsage made_;
  bool limited_ = false;
  bool poisoned_ = false;
  std::optional<HashKey> key_;
  std::optional<BranchLogEntry> entry_;
  std::optional<Conflict> doomed_;
  /// What the branch had done when it was doomed, on the base it had then.
  std::vector<store::Change> doomed_changes_;
  Seq doomed_base_seq_ = 0;
};

}  // namespace vxs::transactions
