// Reads one segment's bytes record by record and says how its end looks:
// clean, torn, or damaged (docs/journal.md, "How a segment ends").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "store/journal/format.hh"

namespace vxs::store {

class SegmentScan {
 public:
  /// `file` is the whole segment file and outlives the scan. `same_boot`: it was written since the
  /// machine booted, so what was published or written is what is there. `first_seq`: what the
  /// first record must be, 0 if the opening does not tell.
  SegmentScan(std::string_view file, const SegmentIdentity& identity, Seq first_seq,
              bool same_boot);

  enum class Step : std::uint8_t {
    kRecord,   ///< frame() is the next record
    kEnd,      ///< a clean end
    kTorn,     ///< the rest was never safe: may be cut
    kDamaged,  ///< the rest, or a part of it, was safe and cannot be read
  };
  [[nodiscard]] Step next();

  [[nodiscard]] const Frame& frame() const noexcept { return frame_; }
  /// Where the next frame or batch begins, or where reading stopped.
  [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
  /// First byte after all that may hold data.
  [[nodiscard]] std::uint64_t data_end() const noexcept { return end_; }
  /// After kTorn and kDamaged: what is wrong, a phrase.
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

 private:
  [[nodiscard]] Step next_mapped();
  [[nodiscard]] Step next_written();
  [[nodiscard]] bool enter_batch();
  [[nodiscard]] Step judge_written();
  [[nodiscard]] Step stop(Step step, std::string reason);

  std::string_view file_;
  const SegmentIdentity& identity_;
  bool same_boot_;
  std::uint32_t seed_;
  std::uint64_t offset_ = kSegmentHeaderBytes;
  std::uint64_t end_ = 0;
  Seq expected_;           ///< 0: the first record may have any Seq
  Seq durable_up_to_ = 0;  ///< highest seen in a batch header
  std::uint64_t batch_at_ = 0;
  BatchHeader batch_;
  std::uint32_t batch_left_ = 0;  ///< records of the batch not read yet
  Frame frame_;
  std::string reason_;
};

/// Highest durable_up_to of any intact batch header of this segment at or after `offset`; 0 if
/// none.
[[nodiscard]] Seq durable_after(std::string_view file, std::uint64_t offset, std::uint32_t seed);

}  // namespace vxs::store
