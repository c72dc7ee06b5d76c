#include "store/journal/journal_core.hh"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace vxs::store {

JournalCore::JournalCore(std::shared_ptr<SegmentStore> store, Seq last_seq, bool removes)
    : store_(std::move(store)), removes_(removes), last_seq_(last_seq) {
  store_->safe_seq.store(last_seq, std::memory_order_release);
}

void JournalCore::set_checkpoint(Seq seq, std::uint64_t bytes_since) noexcept {
  checkpoint_seq_ = seq;
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
  checkpoint_seq_ = seq;
  remove_covered();
}

void JournalCore::history_done(Seq seq) {
  if (seq <= history_seq_) return;
  history_seq_ = seq;
  remove_covered();
}

void JournalCore::remove_covered() {
  if (removes_) store_->remove_covered(std::min(checkpoint_seq_, history_seq_));
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
