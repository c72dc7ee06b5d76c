// The pack that is being filled: pack version 2 and its index
// version 2, written by us because that is 10 to 1000 times faster than libgit2
// (figures.md, "Git writing"). git fsck and libgit2's indexer judge it in the tests.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/history/object_id.hh"
#include "store/history/pack_stream.hh"
#include "store/history/result.hh"

namespace vxs::store {

/// Longest chain of deltas in a pack of ours.
inline constexpr std::uint32_t kMaxDeltaDepth = 32;

/// Where an object lies in a pack that is being filled. Serial 0: nowhere.
struct PackPlace {
  std::uint64_t serial = 0;  ///< which pack
  std::uint64_t offset = 0;
  std::uint32_t depth = 0;  ///< deltas below it
};

/// One row of an index.
struct PackEntry {
  ObjectId id;
  std::uint64_t offset = 0;
  std::uint32_t crc = 0;  ///< of the entry's bytes in the pack
  std::uint32_t depth = 0;
};

/// Appends a pack entry's header: type number and size of the inflated data.
void append_entry_header(std::string& out, unsigned type, std::uint64_t size);
/// Appends the distance of an OFS_DELTA to its base.
void append_delta_distance(std::string& out, std::uint64_t distance);
/// Appends `data` as a zlib stream of stored blocks.
void append_stored(std::string& out, std::string_view data);
/// The index (version 2) of a pack.
[[nodiscard]] std::string make_pack_index(const std::vector<PackEntry>& entries,
                                          const ObjectId& pack_checksum, ObjectHasher& hasher);

/// A set of pack entries found by id: open addressing, no allocation for each entry.
class PackTable {
 public:
  [[nodiscard]] const PackEntry* find(const ObjectId& id) const noexcept;
  /// REQUIRES: find(entry.id) == nullptr.
  void insert(const PackEntry& entry);
  /// In the order they were inserted: by offset.
  [[nodiscard]] const std::vector<PackEntry>& entries() const noexcept { return entries_; }
  /// Makes room for so many in one step.
  void reserve(std::size_t count);
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  void clear() noexcept;

 private:
  void rehash(std::size_t slots);
  std::vector<PackEntry> entries_;
  std::vector<std::uint32_t> slots_;  // index + 1 into entries_; size a power of two
};

/// What a new object shares with an older version of itself that lies in the same pack.
struct DeltaBase {
  PackPlace place;
  std::uint64_t size = 0;  ///< of the base
  std::size_t prefix = 0;  ///< bytes equal at the beginning
  std::size_t suffix = 0;  ///< bytes equal at the end; prefix + suffix <= either size
};

/// A pack ready to be published.
struct FinishedPack {
  PackStream::Finished pack;
  std::string index;
  std::size_t objects = 0;
};

class PackBuilder {
 public:
  PackBuilder() = default;

  /// From now on a large pack is streamed to a file. REQUIRES: object_count() == 0.
  void spool_to(PackSpool spool) { stream_ = PackStream(std::move(spool)); }
  /// Why the file cannot be written, if so: whoever adds much should give up.
  [[nodiscard]] const std::optional<IoError>& failure() const noexcept { return stream_.failure(); }

  /// Number of the pack that is being filled, from 1; finish() begins the next.
  [[nodiscard]] std::uint64_t serial() const noexcept { return serial_; }
  [[nodiscard]] std::size_t object_count() const noexcept { return table_.size(); }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return stream_.size(); }

  /// Where the object lies in this pack, if it does.
  [[nodiscard]] std::optional<PackPlace> find(const ObjectId& id) const noexcept;
  /// Adds an object unless the pack has it: a delta where `base` is in this pack and a delta pays.
  PackPlace add(const ObjectId& id, ObjectType type, std::string_view data,
                const DeltaBase* base = nullptr);
  /// The bytes of an object of this pack; nothing if it is not here.
  [[nodiscard]] std::optional<ObjectType> read(const ObjectId& id, std::string& out) const;

  /// The files' contents. The builder goes on as it is: a failed write can be tried again. Error:
  /// kIo.
  [[nodiscard]] HistoryResult<FinishedPack> finish(ObjectHasher& hasher);
  /// Begins a new, empty pack.
  void reset();
  /// Gives back the memory of packs before, unless one is being filled.
  void shrink() noexcept;

 private:
  // An entry's bytes and whatever follows them.
  [[nodiscard]] std::optional<std::string_view> entry_bytes(std::uint64_t offset,
                                                            std::string& room) const;

  PackStream stream_;
  PackTable table_;
  std::uint64_t serial_ = 1;
  std::string scratch_;
};

}  // namespace vxs::store
