// The last few thousand changes of the head, by path: enough to say who stood in a
// transaction's way (design §4: "why EAGAIN?" always has an answer).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "protocol/ids.hh"
#include "store/change.hh"

namespace vxs::transactions {

/// A ring of fixed size. Paths are kept as hashes: two that collide can name the wrong commit in a
/// message, and nothing else.
class RecentChanges {
 public:
  struct Culprit {
    Seq seq = 0;
    DomId author = 0;
  };

  /// Changes of one run (store::run_length()); O(bytes of the first path and the others' names).
  void add(std::span<const store::Change> run, Seq seq, DomId author);

  /// The newest commit after `since` that made, removed or gave other permissions to a node on the
  /// way to `path`, wrote the node itself (if `value` counts), or changed its child set (if
  /// `children` counts).
  [[nodiscard]] std::optional<Culprit> last_that_touched(std::string_view path, bool value,
                                                         bool children, Seq since) const;

 private:
  static constexpr std::size_t kSize = 16384;
  struct Entry {
    Seq seq = 0;
    std::uint64_t path = 0;
    std::uint64_t parent = 0;  ///< of what is made or removed, else 0
    DomId author = 0;
    store::ChangeKind kind = store::ChangeKind::kWrite;
  };

  void add(const Entry& entry);

  std::vector<Entry> entries_;
  std::size_t next_ = 0;
};

}  // namespace vxs::transactions
