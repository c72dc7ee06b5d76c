// The records of the journal: every change of state, in one order, as values in
// memory. docs/journal.md and store/journal/record.proto define their bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/ids.hh"
#include "protocol/permissions.hh"
#include "store/change.hh"
#include "store/state_change.hh"

namespace vxs::store {

/// A request: its connection, and its number among those the connection has begun, from 1. All
/// zero: none.
struct RequestId {
  ConnectionId connection = 0;
  std::uint64_t ordinal = 0;
  friend bool operator==(const RequestId&, const RequestId&) = default;
};

/// Who caused a record. Socket clients all act as dom0; SO_PEERCRED tells them apart.
struct Origin {
  DomId domid = 0;
  Incarnation incarnation = 0;
  ConnectionId connection = 0;  ///< 0: the daemon itself
  std::int32_t pid = 0;         ///< socket peers only, else 0
  std::uint32_t uid = 0;
  std::string_view
      command{};  ///< the peer's /proc/PID/comm at its first request; guest-like: escape it
  /// The connection's request that is carried out with this record; 0: none.
  std::uint64_t ordinal = 0;
};

/// How a commit came about.
enum class CommitKind : std::uint8_t {
  kSingle = 1,       ///< one request outside any transaction
  kTransaction = 2,  ///< a transaction that met the head it started from
  kMerge = 3,        ///< a transaction that met another head and merged (base_seq < previous head)
  kDaemon = 4,  ///< the daemon itself (initial tree, domain clean-up, a repair by `CONTROL check`)
};

/// A commit to the tree. Its Seq is the generation of the nodes it changed.
struct CommitRecord {
  Seq seq = 0;
  std::int64_t time_us =
      0;  ///< wall clock, µs since 1970, as recorded (never asked again at replay)
  Origin origin{};
  CommitKind kind = CommitKind::kSingle;
  TxId tx_id = 0;    ///< the client's transaction id, 0 for kSingle and kDaemon
  Seq base_seq = 0;  ///< store Seq (of a commit record) the transaction started from; 0 for kSingle
                     ///< and kDaemon
  std::span<const Change> changes{};
  /// One short ASCII phrase of ours for the subject where the changes alone do not say it
  /// ("initial tree", …); usually empty.
  std::string_view note{};
};

/// A transaction that ended in EAGAIN (history shows it under refs/conflicts).
struct ConflictRecord {
  Seq seq = 0;
  std::int64_t time_us = 0;
  Origin origin{};
  TxId tx_id = 0;
  Seq base_seq = 0;
  std::span<const Change> changes{};  ///< what it would have changed on its base
  std::string_view path{};            ///< where its answers stopped being true
  Seq blocking_seq = 0;               ///< the commit that changed `path`; 0: unknown
  DomId blocking_domid = 0;           ///< whose it was; kDomIdInvalid: unknown
  std::string_view request{};         ///< the request whose answer differs, e.g. "READ"
};

/// What a run of the daemon knows of the history (Git) that lies beside its state.
struct HistoryMark {
  bool off = false;  ///< it keeps none
  /// off: up to this Seq the history is of this state. On: from this Seq on it is, and what it has
  /// below is of another time; 0: all of it is of this state.
  Seq seq = 0;
  friend bool operator==(const HistoryMark&, const HistoryMark&) = default;
};

/// The daemon (re)started and continues this journal.
struct StartRecord {
  Seq seq = 0;
  std::int64_t time_us = 0;
  std::string_view boot_id{};     ///< /proc/sys/kernel/random/boot_id
  std::uint64_t incarnation = 0;  ///< counts the daemon's starts on this state directory
  std::string_view version{};     ///< vxenstored's version
  HistoryMark history{};
};

/// A change of the state beside the tree: domains, their rings, watches, quotas. No commit: history
/// passes over it.
struct StateRecord {
  Seq seq = 0;
  std::int64_t time_us = 0;
  StateChange change{};
  /// The request that is carried out with this record. None for the daemon's own, and for a step
  /// after which the request still has to be done: it is then handled again after a restart.
  RequestId request{};
};

using Record = std::variant<CommitRecord, ConflictRecord, StartRecord, StateRecord>;

[[nodiscard]] Seq record_seq(const Record& record) noexcept;

}  // namespace vxs::store
