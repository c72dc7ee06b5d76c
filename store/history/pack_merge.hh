// Several packs made one by copying entries as they are.
#pragma once

#include <string>
#include <vector>

#include "store/history/object_store.hh"

namespace vxs::store {

/// Joins packs; an object that several have is copied once. Deltas stay deltas (their distance is
/// written anew where something between has gone); only where joining makes a chain longer than
/// kMaxMergedDepth is an object written whole.
class PackMerge {
 public:
  static constexpr std::uint32_t kMaxMergedDepth = 2 * kMaxDeltaDepth;

  explicit PackMerge(ObjectStore& objects);

  /// Copies a pack's entries, each checked against its CRC. Error: kDamaged (or not written by us),
  /// after which the merge must be given up.
  [[nodiscard]] HistoryResult<void> add(const std::string& name, std::string_view pack,
                                        std::string_view index);
  [[nodiscard]] PackBuilder::Finished finish();

 private:
  HistoryResult<PackEntry> copy_delta(const PackEntry& entry, std::string_view bytes,
                                      std::uint64_t distance, std::size_t header_length,
                                      std::uint64_t size, const PackEntry& base);
  HistoryResult<PackEntry> write_whole(const PackEntry& entry);

  ObjectStore& objects_;
  std::string out_;
  PackTable table_;
};

}  // namespace vxs::store
