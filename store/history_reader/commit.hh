// A commit of the history as values: header, message and the trailers docs/git-layout.md lists.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/ids.hh"
#include "store/history/object_id.hh"
#include "store/history_reader/error.hh"

namespace vxs::store::reader {

/// The Seqs a folded commit covers (`Folded:`); not every number between them needs to be in it.
struct HistoryFold {
  Seq first = 0, last = 0;
};

struct HistoryCommit {
  ObjectId id;
  ObjectId tree;
  std::vector<ObjectId> parents;
  std::int64_t author_time = 0;     ///< seconds since 1970: when it happened
  std::int64_t committer_time = 0;  ///< the same, never going backwards along main
  std::string subject;              ///< first line
  std::string body;                 ///< what stands between subject and trailers
  std::vector<std::pair<std::string, std::string>> trailers;  ///< "Seq" → "17", in order

  /// The value of a trailer, "" when missing.
  [[nodiscard]] std::string_view trailer(std::string_view key) const;
  /// A trailer that is a whole number (more after a space is ignored); nothing otherwise.
  [[nodiscard]] std::optional<std::uint64_t> number(std::string_view key) const;
  /// Set for one record of a folded commit (fold.hh); id, tree and parents are that commit's.
  std::optional<HistoryFold> fold;

  /// `Folded:` of a folded commit.
  [[nodiscard]] std::optional<HistoryFold> fold_range() const;
  [[nodiscard]] bool is_merge() const noexcept { return parents.size() > 1; }
  /// `Seq:`, 0 for a commit without.
  [[nodiscard]] Seq seq() const { return number("Seq").value_or(0); }
};

/// Parses the bytes of a commit object. Errors: kUnreadable (no commit).
[[nodiscard]] ReadResult<HistoryCommit> parse_commit(const ObjectId& id, std::string_view bytes);

/// What a walk needs of a commit, without the cost of the rest.
struct CommitHead {
  ObjectId tree;
  ObjectId first_parent;            ///< null: none
  ObjectId second_parent;           ///< null: no merge
  std::int64_t committer_time = 0;  ///< seconds since 1970
  Seq seq = 0;                      ///< `Seq:`, or `After-Seq:` of a split; 0 if it has neither
  Seq first_seq = 0;                ///< the first record of a folded commit; else the same as seq
  bool folded = false;              ///< holds several records
  bool split = false;               ///< only moved files into buckets
};
[[nodiscard]] ReadResult<CommitHead> parse_commit_head(const ObjectId& id, std::string_view bytes);

}  // namespace vxs::store::reader
