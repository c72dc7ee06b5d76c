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

  /// In memory: 48 bytes for each object of all packs, and what `spool` says of their bytes.
  PackMerge(ObjectStore& objects, PackSpool spool);

  /// So many objects will come in all, as the indexes say.
  void expect(std::size_t objects) { table_.reserve(objects); }
  /// Copies a pack's entries, each checked against its CRC. Errors, after which the merge must be
  /// given up: kDamaged (or not written by us), kIo.
  [[nodiscard]] HistoryResult<void> add(const std::string& name, EnvFile& pack,
                                        std::string_view index);
  [[nodiscard]] HistoryResult<FinishedPack> finish();

 private:
  HistoryResult<PackEntry> copy_delta(const PackEntry& entry, std::string_view bytes,
                                      std::uint64_t distance, std::size_t header_length,
                                      std::uint64_t size, const PackEntry& base);
  HistoryResult<PackEntry> write_whole(const PackEntry& entry);

  // Bytes of the pack that is being read.
  HistoryResult<std::string_view> read(EnvFile& pack, std::uint64_t offset, std::uint64_t size);

  ObjectStore& objects_;
  PackStream out_;
  std::string window_;
  std::uint64_t window_at_ = 0;
  PackTable table_;
};

}  // namespace vxs::store
