#include "store/journal/batch_writer.hh"

#include <cstring>
#include <utility>

#include "store/crash_point.hh"

namespace vxs::store {
namespace {

constexpr std::size_t kBatchOverhead = kBatchHeaderBytes + kBatchTrailerBytes;

}  // namespace

BatchWriter::~BatchWriter() { store_->discard(std::move(next_)); }

std::size_t BatchWriter::current_room() const noexcept {
  if (!current_ || fill_ + kBatchOverhead >= current_->identity.bytes) return 0;
  return static_cast<std::size_t>(current_->identity.bytes - fill_ - kBatchOverhead);
}

std::uint64_t BatchWriter::room() const noexcept {
  std::uint64_t room = current_room();
  if (next_) room += next_->identity.bytes - kSegmentHeaderBytes - kBatchOverhead;
  return room;
}

bool BatchWriter::wants_preparation() const noexcept {
  return current_ && !next_ && fill_ >= current_->identity.bytes / 2;
}

IoResult<void> BatchWriter::prepare(std::size_t frame_bytes) {
  if (next_ && next_->identity.bytes < kSegmentHeaderBytes + kBatchOverhead + frame_bytes) {
    store_->discard(std::move(next_));
  }
  if (next_) return {};
  auto made = store_->create(frame_bytes);
  if (!made) return tl::unexpected(made.error());
  next_ = std::move(*made);
  return {};
}

IoResult<void> BatchWriter::enter(std::shared_ptr<Segment> segment, const SegmentOpening& opening) {
  const bool within_a_pass = opening.continues_from > safe();
  if (within_a_pass) begun_.push_back(segment);
  if (auto active = store_->activate(segment, opening); !active) {
    // The opening may be on the disk all the same, and the file may refuse to go away: then it says
    // that what comes later in the current segment does not count. So nothing may.
    abandon();
    store_->discard(std::move(segment));
    return active;
  }
  current_ = std::move(segment);
  fill_ = kSegmentHeaderBytes;
  if (!within_a_pass) {
    safe_segment_ = current_;
    safe_fill_ = fill_;
  }
  opened_once_ = true;
  return {};
}

IoResult<void> BatchWriter::open(const SegmentOpening& opening) {
  pending_ = opening;
  if (auto made = prepare(); !made) return made;
  if (auto entered = enter(std::exchange(next_, nullptr), opening); !entered) return entered;
  auto synced = current_->file->sync();
  if (synced) synced = store_->sync_names();
  if (!synced) abandon();
  return synced;
}

IoResult<void> BatchWriter::repair() {
  if (current_) return prepare();
  if (!opened_once_) return open(pending_);
  // Names the Seq it continues from, so that recovery ignores the abandoned tail.
  return open(
      {written_seq_ + 1, written_seq_, pending_.begins_empty && written_seq_ < pending_.first_seq});
}

IoResult<void> BatchWriter::next_segment(std::size_t frame_bytes) {
  if (auto made = prepare(frame_bytes); !made) return made;
  return enter(std::exchange(next_, nullptr), {written_seq_ + 1, written_seq_, false});
}

IoResult<void> BatchWriter::blank_batch(Segment& segment, std::uint64_t at) {
  const std::string blank(kBatchHeaderBytes, '\0');
  if (auto written = segment.file->write_at(at, blank); !written) return written;
  return sync_ ? segment.file->sync() : IoResult<void>{};
}

// What the segment holds above written_seq_ must not come back. Recovery knows that from the
// segment after this one; should the daemon die before there is one, a batch without a header says
// it too.
void BatchWriter::abandon() {
  if (!current_) return;
  (void)blank_batch(*current_, fill_);
  store_->close_open(written_seq_);
  current_ = nullptr;
}

// The same for the beginning of a pass whose rest could not be written. The segments begun in the
// pass go first: one that stays says that it continues from a record, which must be there then.
void BatchWriter::take_back() {
  if (written_seq_ == safe()) return;
  written_seq_ = safe();
  if (current_) store_->close_open(written_seq_);
  current_ = nullptr;
  bool gone = true;
  for (auto it = begun_.rbegin(); it != begun_.rend() && gone; ++it) gone = store_->take_back(*it);
  if (gone && sync_ && !begun_.empty()) gone = store_->sync_names().has_value();
  begun_.clear();
  if (gone && safe_segment_) (void)blank_batch(*safe_segment_, safe_fill_);
}

void BatchWriter::publish() {
  safe_segment_ = current_;
  safe_fill_ = fill_;
  begun_.clear();
  store_->safe_seq.store(written_seq_, std::memory_order_release);
}

IoResult<void> BatchWriter::write_piece(char* frames, std::size_t size, std::uint32_t records,
                                        Seq first) {
  const std::uint32_t seed = current_->seed;
  batch_.resize(kBatchOverhead + size);
  char* out = batch_.data();
  put_batch_header(
      out, {.first_seq = first, .durable_up_to = safe(), .payload_bytes = size, .records = records},
      seed);
  std::memcpy(out + kBatchHeaderBytes, frames, size);
  for (char* frame = out + kBatchHeaderBytes; frame < out + kBatchHeaderBytes + size;
       frame += framed_bytes(frame)) {
    seal_frame(frame, seed);
  }
  put_batch_trailer(out + kBatchHeaderBytes + size, out);
  if (auto written = current_->file->write_at(fill_, batch_); !written) return written;
  VXS_CRASH_POINT("journal-batch-written");
  if (sync_) {
    if (auto synced = current_->file->sync(); !synced) return synced;
    VXS_CRASH_POINT("journal-batch-synced");
  }
  fill_ += batch_.size();
  written_seq_ = first + records - 1;
  return {};
}

IoResult<void> BatchWriter::write_rest(std::span<char> frames, std::size_t& done) {
  while (done < frames.size()) {
    char* const begin = frames.data() + done;
    const std::size_t left = frames.size() - done;
    const std::size_t room = current_room();
    std::size_t size = 0;
    std::uint32_t records = 0;
    while (size < left && size + framed_bytes(begin + size) <= room) {
      size += framed_bytes(begin + size);
      ++records;
    }
    if (records == 0) {
      if (auto opened = next_segment(framed_bytes(begin)); !opened) return opened;
      continue;
    }
    if (auto written = write_piece(begin, size, records, load_le<std::uint64_t>(begin + 8));
        !written) {
      abandon();
      return written;
    }
    done += size;
  }
  return {};
}

IoResult<void> BatchWriter::write(std::span<char> frames) {
  auto written = write_twice(frames);
  if (!written) take_back();
  return written;
}

IoResult<void> BatchWriter::write_twice(std::span<char> frames) {
  if (frames.empty()) return {};
  std::size_t done = 0;
  if (!current_ && opened_once_) {
    if (auto repaired = repair(); !repaired) return repaired;
  }
  auto written = write_rest(frames, done);
  if (written || current_) return written;
  // The segment failed and is abandoned: once more, in a fresh one.
  if (auto repaired = repair(); !repaired) return written;
  return write_rest(frames, done);
}

}  // namespace vxs::store
