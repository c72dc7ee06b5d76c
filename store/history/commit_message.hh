// The words of a commit: subject and trailers (docs/git-layout.md, "Commits").
// Nothing a guest chose gets in unescaped.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/record.hh"

namespace vxs::store {

/// One change as a message shows it.
struct ShownChange {
  ChangeKind kind = ChangeKind::kWrite;
  bool implicit = false;
  bool parent_became = false;  ///< kCreate: its parent was a file
  std::string_view path;
  std::string value;  ///< "3", "3→4" or permissions, ready to print
};

/// What a commit is, beyond its changes.
enum class MessageKind : std::uint8_t { kOrdinary, kBranch, kMerge, kConflict };

struct MessageParts {
  MessageKind kind = MessageKind::kOrdinary;
  Seq seq = 0;
  Origin origin;
  bool by_daemon = false;
  bool in_transaction = false;
  TxId tx_id = 0;
  Seq base_seq = 0;
  Seq base_used = 0;  ///< kBranch, kConflict: 0 if the base itself was used
  std::string_view note;
  std::span<const ShownChange> changes;
  const ConflictRecord* conflict = nullptr;
  std::string_view boot_id;
};

[[nodiscard]] std::string make_message(const MessageParts& parts);

/// Appends what a folded commit says of one of its records: "Record: SEQ …" and its "Request:"
/// lines. `time`: seconds.
void append_record_lines(std::string& out, const MessageParts& parts, std::int64_t time);

struct FoldedParts {
  const MessageParts& first;  ///< of the first record, with the changes of all
  Seq last_seq = 0;
  std::size_t count = 0;   ///< of records
  bool one_domain = true;  ///< all of them are first.origin.domid's
  std::string_view lines;  ///< append_record_lines() of each
};
[[nodiscard]] std::string make_folded_message(const FoldedParts& parts);

/// The message of a split.
[[nodiscard]] std::string make_split_message(std::string_view path, Seq after_seq,
                                             std::string_view boot_id);

struct SnapshotParts {
  Seq seq = 0;
  Seq gap_from = 0;  ///< 0: no gap
  Seq gap_to = 0;
  std::uint64_t changes = 0;
  std::string_view reason;
  std::string_view boot_id;
};
[[nodiscard]] std::string make_snapshot_message(const SnapshotParts& parts);

/// A value as subjects and Request: lines show it: bare or quoted and escaped, cut after 32 bytes.
[[nodiscard]] std::string shown_value(std::string_view value);
/// How many bytes of a value shown_value() looks at.
inline constexpr std::size_t kShownValueBytes = 32;

/// What remains of a host name or an id from outside: letters, digits, `-`, `.`, `_`.
[[nodiscard]] std::string plain_word(std::string_view text);

/// The number of a trailer ("Seq", "After-Seq") of a message of ours; 0 if it has none.
[[nodiscard]] std::uint64_t number_trailer(std::string_view message,
                                           std::string_view name) noexcept;
/// The Seq of the first record of a commit of main: that of "Folded", else `seq`.
[[nodiscard]] Seq first_seq_trailer(std::string_view message, Seq seq) noexcept;
/// The text of a trailer, "" if there is none.
[[nodiscard]] std::string_view text_trailer(std::string_view message,
                                            std::string_view name) noexcept;

}  // namespace vxs::store
