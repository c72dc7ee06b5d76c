#include "store/journal/batch_writer.hh"

#include <cstring>
#include <utility>

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
  if (auto active = store_->activate(segment, opening); !active) {
    // The opening may be on the disk all the same, and the file may refuse to go away: then it says
    // that what comes later in the current segment does not count. So nothing may.
    abandon();
    store_->discard(std::move(segment));
    return active;
  }
  current_ = std::move(segment);
  fill_ = kSegmentHeaderBytes;
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
  return open({safe() + 1, safe(), pending_.begins_empty && safe() < pending_.first_seq});
}

IoResult<void> BatchWriter::next_segment(std::size_t frame_bytes) {
  if (auto made = prepare(frame_bytes); !made) return made;
  return enter(std::exchange(next_, nullptr), {safe() + 1, safe(), false});
}

// What the segment holds above safe_seq must not come back. Recovery knows that from the segment
// after this one; should the daemon die before there is one, a batch without a header says it too.
void BatchWriter::abandon() {
  if (!current_) return;
  const std::string blank(kBatchHeaderBytes, '\0');
  if (current_->file->write_at(fill_, blank) && sync_) (void)current_->file->sync();
  store_->close_open(safe());
  current_ = nullptr;
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
  if (sync_) {
    if (auto synced = current_->file->sync(); !synced) return synced;
  }
  fill_ += batch_.size();
  store_->safe_seq.store(first + records - 1, std::memory_order_release);
  return {};
}

IoResult<void> BatchWriter::write_rest(std::string& frames, std::size_t& done) {
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

IoResult<void> BatchWriter::write(std::string& frames) {
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
