// The `Request:` and `Conflicts-With:` trailers of a commit.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protocol/ids.hh"
#include "store/history_reader/commit.hh"

namespace vxs::store::reader {

/// One `Request:` trailer.
struct CommitRequest {
  std::string op;         ///< create, write, rm, perms
  bool implicit = false;  ///< an ancestor made on the way (create+)
  std::string path;
};

struct CommitRequests {
  std::vector<CommitRequest> requests;
  bool complete = true;  ///< false if the commit lists only the first of them

  /// The op if all requests have the same, "transaction" or "several" if not; "split", "snapshot"
  /// or "gap" for commits of the store; "" if the commit says nothing.
  std::string summary;
};
[[nodiscard]] CommitRequests requests_of(const HistoryCommit& commit);

/// What made a transaction fail.
struct ConflictCause {
  std::optional<Seq> seq;      ///< the commit that changed `path`; nothing: unknown
  std::optional<DomId> domid;  ///< its domain; nothing: unknown
  std::string request, path;   ///< the request whose answer was no longer true
};
[[nodiscard]] std::optional<ConflictCause> conflict_cause(const HistoryCommit& commit);

/// `Connection:`.
struct CommitConnection {
  std::optional<std::uint64_t> id;
  std::string peer;  ///< "pid=812 uid=0 command=xenstore-write", "" for a ring
};
[[nodiscard]] CommitConnection connection_of(const HistoryCommit& commit);

}  // namespace vxs::store::reader
