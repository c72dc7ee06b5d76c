// A reader of the journal that follows it while it grows: history and
// replication. Any one thread; independent of the writer but for the segments' files.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "store/journal/journal.hh"

namespace vxs::store {

class JournalTail {
 public:
  virtual ~JournalTail() = default;
  enum class Next : std::uint8_t {
    kRecord,  ///< `visit` was called with one record
    kEnd,     ///< nothing safe beyond what was read
    kLost,    ///< the segment with the next Seq is gone (removed with a gap) or damaged
  };
  /// Reads the next safe record (its permissions interned in the PermTable given to open_tail, its
  /// views valid during the call).
  [[nodiscard]] virtual Next next(const std::function<void(const Record&)>& visit) = 0;
  /// The Seq next() would deliver.
  [[nodiscard]] virtual Seq position() const noexcept = 0;
};

/// Follows `journal` from `from_seq`. `perms` belongs to the calling thread.
[[nodiscard]] std::unique_ptr<JournalTail> open_tail(Env& env, const Journal& journal,
                                                     PermTable& perms, Seq from_seq);

}  // namespace vxs::store
