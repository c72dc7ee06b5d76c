// A stream kept in a wire slot: the output, or the log of open transactions.
//
// Positions count the stream's bytes since its beginning and stay what they are when bytes move in
// memory. Published bytes, [begin(), published_end()), outlive the process; what lies behind them
// is lost with it. Nothing published is ever overwritten: content that changes is written elsewhere
// first, and one store makes it the true one.
#pragma once

#include <cstdint>
#include <string_view>

#include "daemon/wire_area/area_file.hh"
#include "daemon/wire_area/layout.hh"

namespace vxs::daemon {

/// Owned by a WireSlot. One thread. Views are valid until the next call that is not const.
class WireBytes {
 public:
  /// Which words of the published set are this stream's.
  struct Words {
    std::uint64_t wire_layout::Set::*begin;
    std::uint64_t wire_layout::Set::*end;
    std::uint64_t wire_layout::Set::*origin;
    /// Bytes before it are of no use any more; nullptr: all are of use.
    std::uint64_t wire_layout::Control::*sent;
  };
  /// The region at `offset` of `file`, for `limit` bytes of content.
  WireBytes(const AreaFile& file, std::uint64_t offset, std::uint64_t limit,
            wire_layout::Control& control, Words words) noexcept
      : file_(&file), offset_(offset), limit_(limit), control_(&control), words_(words) {}

  [[nodiscard]] std::uint64_t begin() const noexcept { return begin_; }
  [[nodiscard]] std::uint64_t end() const noexcept { return end_; }
  [[nodiscard]] std::uint64_t size() const noexcept { return end_ - begin_; }
  [[nodiscard]] std::uint64_t published_end() const noexcept {
    return wire_layout::published(*control_).*words_.end;
  }
  /// Everything, published or not.
  [[nodiscard]] std::string_view view() const noexcept { return view(begin_, end_); }
  /// REQUIRES: begin() <= from <= to <= end().
  [[nodiscard]] std::string_view view(std::uint64_t from, std::uint64_t to) const noexcept {
    return {memory() + (from - origin_), to - from};
  }

  /// Adds `bytes` at the end; they are not published yet. `bytes` are not of this stream. False,
  /// and nothing changed: no memory, or more than the limit.
  [[nodiscard]] bool append(std::string_view bytes);
  /// Drops what lies behind `position`. REQUIRES: published_end() <= position <= end().
  void truncate(std::uint64_t position) noexcept { end_ = position; }
  /// What lies behind `from` becomes `content` (which may be taken from view()), in one step, of
  /// which the part up to the position `published_end` is published at once. False, and nothing
  /// changed: no memory, or more than the limit.
  /// REQUIRES: begin() <= from <= end() and nothing behind `from` was sent; if `from` lies behind
  /// published_end(), published_end == published_end(); else from <= published_end <= the new end.
  [[nodiscard]] bool rewrite(std::uint64_t from, std::string_view content,
                             std::uint64_t published_end);
  /// If everything was sent (of a log: dropped), forgets it and gives the pages of a burst back;
  /// view() is empty then. append() does it too; this is for who has nothing to append.
  void forget_dead() noexcept;

  /// Bytes of memory known to be reserved.
  [[nodiscard]] std::uint64_t reserved() const noexcept { return reserved_; }

 private:
  friend class WireSlot;

  [[nodiscard]] char* memory() const noexcept { return file_->at(offset_); }
  [[nodiscard]] std::uint64_t region() const noexcept {
    return limit_ * wire_layout::kRegionFactor;
  }
  [[nodiscard]] std::uint64_t origin() const noexcept { return origin_; }
  [[nodiscard]] bool dead() const noexcept;
  /// Takes what is published for all there is.
  void restore() noexcept;
  /// The published set was changed.
  void published() noexcept { begin_ = wire_layout::published(*control_).*words_.begin; }
  [[nodiscard]] bool make_room(std::uint64_t count);
  [[nodiscard]] bool reserve(std::uint64_t size);
  void move_to_front() noexcept;
  /// Makes [begin_, published_end) at origin_ the published content.
  void publish_content(std::uint64_t published_end) noexcept;
  void give_back_tail() noexcept;
  /// Frees everything but `keep` bytes. REQUIRES: view() is empty.
  void shrink(std::uint64_t keep) noexcept;

  const AreaFile* file_;
  std::uint64_t offset_;
  std::uint64_t limit_;
  wire_layout::Control* control_;
  Words words_;
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
  /// Position of the region's first byte (modulo 2^64). The published origin is another one only
  /// while nothing published is of use.
  std::uint64_t origin_ = 0;
  std::uint64_t reserved_ = 0;  ///< the region's first bytes that surely have pages
  std::uint64_t touched_ = 0;   ///< beyond it nothing has
};

}  // namespace vxs::daemon
