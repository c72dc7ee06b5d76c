#include "store/journal/mapped_journal.hh"

#include <atomic>
#include <utility>

#include "store/crash_point.hh"

namespace vxs::store {
namespace {

/// The first segment of a start, whose pages somebody waits for (16 MiB: 10 ms); a thread makes the
/// others.
constexpr std::uint64_t kFirstBytes = 1U << 20;

void publish(char* base, std::uint64_t length) noexcept {
  // The file is shared with other processes: a plain word there, an atomic only in our use of it.
  auto* word = reinterpret_cast<std::uint64_t*>(base + kPublishedOffset);
  std::atomic_ref<std::uint64_t>(*word).store(length, std::memory_order_release);
}

}  // namespace

MappedJournal::~MappedJournal() { store_->discard(std::move(next_)); }

void MappedJournal::enter(std::shared_ptr<Segment> segment, const SegmentOpening& opening) {
  (void)store_->activate(segment, opening);  // a store to memory: cannot fail
  current_ = std::move(segment);
  base_ = reinterpret_cast<char*>(current_->mapping->bytes().data());
  size_ = current_->mapping->bytes().size();
  fill_ = kSegmentHeaderBytes;
  prepare_at_ = size_ / 2;
  publish(base_, fill_);
  VXS_CRASH_POINT("start-segment-entered");
}

void MappedJournal::begin(const SegmentOpening& opening) {
  pending_ = opening;
  auto made = store_->create(0, kFirstBytes);
  if (!made) {
    failure_ = made.error();
    return;
  }
  enter(std::move(*made), opening);
}

IoResult<void> MappedJournal::next_segment(std::size_t frame) {
  if (preparer_.started()) collect_prepared();
  if (next_ && next_->bytes < kSegmentHeaderBytes + frame) store_->discard(std::move(next_));
  if (!next_) {
    auto made = store_->create(frame);
    if (!made) {
      failure_ = made.error();
      return tl::unexpected(failure_);
    }
    next_ = std::move(*made);
  }
  enter(std::exchange(next_, nullptr), {last_seq() + 1, last_seq(), false});
  return {};
}

IoResult<void> MappedJournal::append(const Record& record) {
  if (failure_.code != 0) return tl::unexpected(failure_);
  std::size_t payload = 0;
  std::size_t frame = 0;
  if (auto measured = measure(record, payload, frame); !measured) return measured;
  if (size_ - fill_ < frame) {
    if (auto opened = next_segment(frame); !opened) return opened;
  }
  char* out = base_ + fill_;
  put_frame(record, payload, out);
  seal_frame(out, current_->seed);
  VXS_CRASH_POINT("journal-frame-written");
  fill_ += frame;
  publish(base_, fill_);
  VXS_CRASH_POINT("journal-frame-published");
  count_append(record_seq(record), frame);
  store_->safe_seq.store(last_seq(), std::memory_order_release);
  return {};
}

bool MappedJournal::probe() {
  if (failure_.code == 0) return true;
  if (!current_) {
    failure_ = {};
    begin(pending_);
    return failure_.code == 0;
  }
  auto made = store_->create();
  if (!made) {
    failure_ = made.error();
    return false;
  }
  next_ = std::move(*made);
  failure_ = {};
  return true;
}

bool MappedJournal::wants_preparation() const noexcept {
  if (next_ || failure_.code != 0) return false;
  return preparer_.started() ? preparer_.done() : fill_ >= prepare_at_;
}

void MappedJournal::prepare() {
  if (!wants_preparation() || !current_) return;
  if (preparer_.started()) {
    collect_prepared();
  } else {
    preparer_.start();
  }
}

void MappedJournal::collect_prepared() {
  auto made = preparer_.take();
  if (made) {
    next_ = std::move(*made);
  } else {
    prepare_at_ = fill_ + size_ / 32;  // there is room yet: ask again a little later
  }
}

}  // namespace vxs::store
