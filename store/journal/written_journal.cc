#include "store/journal/written_journal.hh"

#include <utility>

namespace vxs::store {

WrittenJournal::WrittenJournal(std::shared_ptr<SegmentStore> store, Seq last_seq)
    : JournalCore(std::move(store), last_seq), writer_(store_, false) {}

void WrittenJournal::begin(const SegmentOpening& opening) {
  if (auto opened = writer_.open(opening); !opened) failure_ = opened.error();
}

IoResult<void> WrittenJournal::append(const Record& record) {
  if (failure_.code != 0) return tl::unexpected(failure_);
  std::size_t payload = 0;
  std::size_t frame = 0;
  if (auto measured = measure(record, payload, frame); !measured) return measured;
  // Room is made before the record counts, so that a full disk is an answer to its request.
  if (writer_.room() < pending_.size() + frame) {
    if (writer_.has_next()) {
      if (auto handed = hand_over(); !handed) return handed;
    }
    if (auto made = writer_.prepare(frame); !made) {
      failure_ = made.error();
      return made;
    }
  }
  const std::size_t at = pending_.size();
  pending_.resize(at + frame);
  put_frame(record, payload, pending_.data() + at);
  count_append(record_seq(record), frame);
  return {};
}

IoResult<void> WrittenJournal::flush() {
  // An append() that had to make room may have met the failure.
  if (rollback_due_) return tl::unexpected(failure_);
  if (auto handed = hand_over(); !handed) return handed;
  writer_.publish();
  return {};
}

IoResult<void> WrittenJournal::hand_over() {
  if (pending_.empty()) return {};
  auto written = writer_.write(pending_);
  pending_.clear();
  if (!written) {
    failure_ = written.error();
    rollback_due_ = true;
  }
  return written;
}

void WrittenJournal::rollback() {
  pending_.clear();
  set_last_seq(safe_seq());
  rollback_due_ = false;
}

bool WrittenJournal::probe() {
  if (failure_.code == 0) return true;
  if (rollback_due_) return false;
  if (auto repaired = writer_.repair(); !repaired) {
    failure_ = repaired.error();
    return false;
  }
  failure_ = {};
  return true;
}

bool WrittenJournal::wants_preparation() const noexcept {
  return failure_.code == 0 && writer_.wants_preparation() &&
         writer_.room() <= retry_preparation_below_;
}

void WrittenJournal::prepare() {
  if (failure_.code != 0 || !writer_.is_open()) return;
  if (writer_.prepare()) {
    retry_preparation_below_ = ~std::uint64_t{0};
  } else {
    retry_preparation_below_ = writer_.room() - writer_.room() / 16;  // again a little later
  }
}

}  // namespace vxs::store
