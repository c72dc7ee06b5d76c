// What the journals of all policies share: encoding, counting, removal.
#pragma once

#include <memory>
#include <string>

#include "store/journal/journal.hh"
#include "store/journal/record_codec.hh"
#include "store/journal/segment_store.hh"

namespace vxs::store {

class JournalCore : public Journal {
 public:
  /// `removes`: covered segments may go.
  JournalCore(std::shared_ptr<SegmentStore> store, Seq last_seq, bool removes = true);

  [[nodiscard]] Seq last_seq() const noexcept final { return last_seq_; }
  [[nodiscard]] Seq safe_seq() const noexcept final {
    return store_->safe_seq.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::uint64_t bytes() const noexcept final { return store_->bytes(); }
  [[nodiscard]] std::uint64_t bytes_since_checkpoint() const noexcept final {
    return since_checkpoint_;
  }
  void checkpoint_done(Seq seq) final;
  void history_done(Seq seq) final;

  /// What recovery knows: the newest checkpoint, the one before it (0: none), and the bytes of
  /// records replayed after the newest.
  void set_checkpoint(Seq seq, Seq previous, std::uint64_t bytes_since) noexcept;
  /// Opens the first segment of this run. Failure leaves the journal failing().
  virtual void begin(const SegmentOpening& opening) = 0;
  [[nodiscard]] const std::shared_ptr<SegmentStore>& store() const noexcept { return store_; }

 protected:
  /// Checks and measures a record; `frame` becomes the bytes of its frame.
  [[nodiscard]] IoResult<void> measure(const Record& record, std::size_t& payload,
                                       std::size_t& frame);
  /// Writes the measured record as an unsealed frame.
  void put_frame(const Record& record, std::size_t payload, char* out) const;
  void count_append(Seq seq, std::size_t frame) noexcept {
    last_seq_ = seq;
    since_checkpoint_ += frame;
  }
  void set_last_seq(Seq seq) noexcept { last_seq_ = seq; }

  const std::shared_ptr<SegmentStore> store_;

 private:
  void remove_covered();
  void give_up_spare();

  RecordEncoder encoder_;
  const bool removes_;
  Seq last_seq_;
  Seq checkpoint_seq_ = 0;
  Seq previous_checkpoint_ = 0;  ///< 0: what came before is the records from the beginning
  Seq history_seq_ = 0;
  /// Segments may be kept that only the checkpoint before the newest needs.
  bool has_spare_ = false;
  std::uint64_t since_checkpoint_ = 0;
};

}  // namespace vxs::store
