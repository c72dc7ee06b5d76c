// The pack that is being filled, in memory: pack version 2 and its index
// version 2, written by us because that is 10 to 1000 times faster than libgit2
// (figures.md, "Git writing"). git fsck and libgit2's indexer judge it in the tests.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/history/object_id.hh"

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
/// The index (version 2) of a pack; sorts `entries` by id.
[[nodiscard]] std::string make_pack_index(std::vector<PackEntry>& entries,
                                          const ObjectId& pack_checksum, ObjectHasher& hasher);
/// Makes the header's object count and the trailer good; returns the trailer.
ObjectId finish_pack(std::string& pack, std::uint32_t objects, ObjectHasher& hasher);
/// The 12 bytes a pack begins with, object count still 0.
[[nodiscard]] std::string_view empty_pack_header() noexcept;

/// A set of pack entries found by id: open addressing, no allocation for each entry.
class PackTable {
 public:
  [[nodiscard]] const PackEntry* find(const ObjectId& id) const noexcept;
  /// REQUIRES: find(entry.id) == nullptr.
  void insert(const PackEntry& entry);
  [[nodiscard]] std::vector<PackEntry>& entries() noexcept { return entries_; }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  void clear() noexcept;

 private:
  void grow();
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

class PackBuilder {
 public:
  PackBuilder();

  /// Number of the pack that is being filled, from 1; finish() begins the next.
  [[nodiscard]] std::uint64_t serial() const noexcept { return serial_; }
  [[nodiscard]] std::size_t object_count() const noexcept { return table_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return pack_.size(); }

  /// Where the object lies in this pack, if it does.
  [[nodiscard]] std::optional<PackPlace> find(const ObjectId& id) const noexcept;
  /// Adds an object unless the pack has it: a delta where `base` is in this pack and a delta pays.
  PackPlace add(const ObjectId& id, ObjectType type, std::string_view data,
                const DeltaBase* base = nullptr);
  /// The bytes of an object of this pack; nothing if it is not here.
  [[nodiscard]] std::optional<ObjectType> read(const ObjectId& id, std::string& out) const;

  struct Finished {
    std::string pack, index;
    ObjectId checksum;
    std::size_t objects = 0;
  };
  /// The files' contents. The builder goes on as it is: a failed write can be tried again.
  [[nodiscard]] Finished finish(ObjectHasher& hasher);
  /// Begins a new, empty pack.
  void reset();

 private:
  std::string pack_;
  PackTable table_;
  std::uint64_t serial_ = 1;
  std::string scratch_;
};

}  // namespace vxs::store
