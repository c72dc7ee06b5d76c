// The bytes of a pack as they are made: in memory while they are few, in a file beyond that.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "store/env.hh"
#include "store/history/object_id.hh"
#include "store/history/result.hh"

namespace vxs::store {

/// Where a stream's file goes and how much stays in memory.
struct PackSpool {
  Env* env = nullptr;  ///< nullptr: everything stays in memory
  std::string path;    ///< of the file; whatever is there is replaced
  std::size_t memory = 16U << 20U;
  bool sync = false;  ///< fsync in finish()
};

class PackStream {
 public:
  /// A pack of no objects.
  explicit PackStream(PackSpool spool = {});
  ~PackStream();
  PackStream(PackStream&&) noexcept = default;
  PackStream& operator=(PackStream&&) noexcept = default;

  /// Append the next entry here, whole, then call settle().
  [[nodiscard]] std::string& tail() noexcept { return tail_; }
  /// Offset of the next byte.
  [[nodiscard]] std::uint64_t size() const noexcept { return tail_at_ + tail_.size(); }
  /// Moves what is too much into the file. A failure is kept for finish(); until then the bytes
  /// stay in memory.
  void settle();
  /// What went wrong with the file; finish() tries again.
  [[nodiscard]] const std::optional<IoError>& failure() const noexcept { return failure_; }
  /// The bytes from `offset` on (at least `size`; `room` may hold them). REQUIRES: an entry
  /// begins at `offset` and has `size` bytes. Nothing if the file cannot be read.
  [[nodiscard]] std::optional<std::string_view> read(std::uint64_t offset, std::size_t size,
                                                     std::string& room) const;
  /// True if an entry at `offset` is in memory.
  [[nodiscard]] bool in_memory(std::uint64_t offset) const noexcept { return offset >= tail_at_; }

  struct Finished {
    std::string bytes;    ///< the pack, unless it lies in a file
    std::string spooled;  ///< that file, complete; "" otherwise
    std::uint64_t size = 0;
    ObjectId checksum;
  };
  /// The pack with header and trailer. The stream goes on as it is. Error: kIo.
  [[nodiscard]] HistoryResult<Finished> finish(std::uint32_t objects, ObjectHasher& hasher);
  /// Begins again with a pack of no objects; the file goes unless somebody renamed it.
  void reset();
  /// Gives back the memory of packs before. REQUIRES: no object since reset().
  void shrink() noexcept;

 private:
  IoResult<void> spill();

  PackSpool spool_;
  std::string tail_;
  std::uint64_t tail_at_ = 0;
  std::unique_ptr<EnvFile> file_;
  std::optional<IoError> failure_;
};

}  // namespace vxs::store
