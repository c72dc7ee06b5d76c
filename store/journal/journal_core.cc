#include "store/journal/journal_core.hh"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace vxs::store {

JournalCore::JournalCore(std::shared_ptr<SegmentStore> store, Seq last_seq, bool removes)
    : store_(std::move(store)), removes_(removes), last_seq_(last_seq) {
  store_->safe_seq.store(last_seq, std::memory_order_release);
}

void JournalCore::set_checkpoint(Seq seq, Seq previous, std::uint64_t bytes_since) noexcept {
  checkpoint_seq_ = seq;
  previous_checkpoint_ = previous;
  since_checkpoint_ = bytes_since;
}

void JournalCore::checkpoint_done(Seq seq) {
  if (seq <= checkpoint_seq_) return;
  // The log since the old checkpoint is taken as evenly filled: an estimate is all its users need.
  const Seq before = last_seq_ - std::min(checkpoint_seq_, last_seq_);
  const Seq after = last_seq_ - std::min(seq, last_seq_);
  if (before > 0) {
    since_checkpoint_ =
        static_cast<std::uint64_t>(static_cast<double>(since_checkpoint_) *
                                   static_cast<double>(after) / static_cast<double>(before));
  }
  previous_checkpoint_ = checkpoint_seq_;
  checkpoint_seq_ = seq;
  remove_covered();
}

void JournalCore::history_done(Seq seq) {
  if (seq <= history_seq_) return;
  history_seq_ = seq;
  remove_covered();
}

// Until the checkpoint before the newest covers them: should the newest be damaged, nothing is
// lost.
void JournalCore::remove_covered() {
  if (!removes_) return;
  store_->remove_covered(std::min(previous_checkpoint_, history_seq_));
  has_spare_ = true;
  if (store_->is_pressed()) give_up_spare();
}

void JournalCore::give_up_spare() {
  store_->remove_covered(std::min(checkpoint_seq_, history_seq_));
  has_spare_ = false;
}

IoResult<void> JournalCore::measure(const Record& record, std::size_t& payload,
                                    std::size_t& frame) {
  if (record_seq(record) != last_seq_ + 1) {
    return tl::unexpected(IoError{EINVAL, "journal: a record out of order"});
  }
  if (!encoder_.measure(record, payload)) {
    return tl::unexpected(IoError{EINVAL, "journal: a record without path or permissions"});
  }
  frame = frame_bytes(payload);
  if (has_spare_ && store_->is_pressed(frame)) give_up_spare();
  if (payload > kMaxPayloadBytes || store_->exceeds_budget(frame)) {
    return tl::unexpected(IoError{ENOSPC, "journal: a record larger than the journal"});
  }
  return {};
}

void JournalCore::put_frame(const Record& record, std::size_t payload, char* out) const {
  put_frame_header(out, record_seq(record),
                   static_cast<std::uint16_t>(RecordEncoder::type_of(record)), 0, payload);
  encoder_.write(record, out + kFrameHeaderBytes);
}

}  // namespace vxs::store
