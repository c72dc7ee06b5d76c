// Writes batches of frames to segments by pwrite, with or without fdatasync, and
// carries on in a fresh segment when one fails. Used by one thread at a time.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/journal/segment_store.hh"

namespace vxs::store {

class BatchWriter {
 public:
  BatchWriter(std::shared_ptr<SegmentStore> store, bool sync)
      : store_(std::move(store)), sync_(sync), written_seq_(safe()) {}
  ~BatchWriter();
  BatchWriter(const BatchWriter&) = delete;
  BatchWriter& operator=(const BatchWriter&) = delete;

  /// Makes a segment and writes its opening, synced: the log stands at opening.continues_from.
  [[nodiscard]] IoResult<void> open(const SegmentOpening& opening);
  /// Writes whole frames (sealed here, one after the other, the first with the Seq after what was
  /// written before). On an error the segment is abandoned and what was not written is tried once
  /// in a fresh one; when that fails too, the error comes back and nothing above safe_seq counts,
  /// also of earlier calls.
  [[nodiscard]] IoResult<void> write(std::span<char> frames);
  /// Raises the store's safe_seq to the last Seq written: a pass of the loop ends with it. Not in
  /// the middle of one, since a head can go back to ends of passes only.
  void publish();
  /// Makes the next segment if there is none.
  [[nodiscard]] IoResult<void> prepare(std::size_t frame_bytes = 0);
  /// The current segment is half full, and there is no next one.
  [[nodiscard]] bool wants_preparation() const noexcept;
  /// Makes writing possible again after an error: error as long as it is not. The log then goes on
  /// above safe_seq.
  [[nodiscard]] IoResult<void> repair();

  /// Bytes of frames that fit into the current and the next segment (batch overhead apart).
  [[nodiscard]] std::uint64_t room() const noexcept;
  [[nodiscard]] bool is_open() const noexcept { return current_ != nullptr; }
  [[nodiscard]] bool has_next() const noexcept { return next_ != nullptr; }

 private:
  [[nodiscard]] IoResult<void> write_twice(std::span<char> frames);
  [[nodiscard]] IoResult<void> write_rest(std::span<char> frames, std::size_t& done);
  [[nodiscard]] IoResult<void> write_piece(char* frames, std::size_t size, std::uint32_t records,
                                           Seq first);
  [[nodiscard]] IoResult<void> next_segment(std::size_t frame_bytes);
  [[nodiscard]] IoResult<void> enter(std::shared_ptr<Segment> segment,
                                     const SegmentOpening& opening);
  [[nodiscard]] std::size_t current_room() const noexcept;
  [[nodiscard]] IoResult<void> blank_batch(Segment& segment, std::uint64_t at);
  void abandon();
  void take_back();
  [[nodiscard]] Seq safe() const noexcept {
    return store_->safe_seq.load(std::memory_order_relaxed);
  }

  std::shared_ptr<SegmentStore> store_;
  bool sync_;
  std::shared_ptr<Segment> current_;
  std::shared_ptr<Segment> next_;
  std::uint64_t fill_ = 0;
  Seq written_seq_;  ///< the last record written, as far as it counts
  /// Where the first batch above safe_seq is or will be.
  std::shared_ptr<Segment> safe_segment_;
  std::uint64_t safe_fill_ = 0;
  /// Begun above safe_seq, since a pass did not fit into one.
  std::vector<std::shared_ptr<Segment>> begun_;
  SegmentOpening pending_;  ///< of a first segment that could not be made yet
  bool opened_once_ = false;
  std::string batch_;
};

}  // namespace vxs::store
