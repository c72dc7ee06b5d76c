#include "store/journal/tail.hh"

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "store/journal/journal_core.hh"

namespace vxs::store {
namespace {

constexpr std::size_t kWindowBytes = std::size_t{256} << 10;
// Where the writer is just ahead, most of a large window would be room not written yet.
constexpr std::size_t kFreshWindowBytes = std::size_t{16} << 10;

/// A moving view of one segment's bytes: the mapping where this process has it, else a window read
/// from the file.
class SegmentReader {
 public:
  SegmentReader(Env& env, std::shared_ptr<Segment> segment) : segment_(std::move(segment)) {
    if (segment_->mapping) return;
    if (auto opened = env.open_file(segment_->path, false)) file_ = std::move(*opened);
  }

  [[nodiscard]] const Segment& segment() const noexcept { return *segment_; }

  /// At least `wanted` bytes from `offset` on where the segment has them. `fresh`: what was read
  /// before may be outdated.
  [[nodiscard]] std::string_view at(std::uint64_t offset, std::size_t wanted, bool fresh) {
    if (segment_->mapping) return mapped(offset);
    if (!fresh && offset >= window_at_ && offset - window_at_ + wanted <= window_.size()) {
      return std::string_view(window_).substr(static_cast<std::size_t>(offset - window_at_));
    }
    window_at_ = offset;
    // What says its length may be anything, as long as its checksum was not looked at.
    if (wanted > kWindowBytes && !has(offset + wanted)) wanted = 0;
    if (window_.capacity() > 2 * kWindowBytes && wanted <= kWindowBytes) window_ = std::string();
    if (!file_ || !file_->read_at(
                      offset, std::max(wanted, fresh ? kFreshWindowBytes : kWindowBytes), window_))
      window_.clear();
    return window_;
  }

 private:
  [[nodiscard]] std::string_view mapped(std::uint64_t offset) const {
    const auto bytes = segment_->mapping->bytes();
    auto* word = reinterpret_cast<std::uint64_t*>(bytes.data() + kPublishedOffset);
    const std::uint64_t end = std::atomic_ref<std::uint64_t>(*word).load(std::memory_order_acquire);
    if (offset >= end || end > bytes.size()) return {};
    return {reinterpret_cast<const char*>(bytes.data()) + offset,
            static_cast<std::size_t>(end - offset)};
  }

  [[nodiscard]] bool has(std::uint64_t bytes) const {
    if (!file_) return false;
    const auto size = file_->size();
    return size && *size >= bytes;
  }

  std::shared_ptr<Segment> segment_;
  std::unique_ptr<EnvFile> file_;
  std::string window_;
  std::uint64_t window_at_ = 0;
};

class Tail final : public JournalTail {
 public:
  Tail(Env& env, std::shared_ptr<SegmentStore> store, PermTable& perms, Seq from)
      : env_(env), store_(std::move(store)), decoder_(perms), position_(from) {}

  Next next(const std::function<void(const Record&)>& visit) override {
    if (!store_) return Next::kLost;
    for (;;) {
      const Seq safe = store_->safe_seq.load(std::memory_order_acquire);
      if (position_ > safe) return Next::kEnd;
      if (!enter_segment(safe)) return Next::kLost;
      const auto frame = find_frame();
      if (!frame) {
        reader_.reset();  // whoever repairs the file meanwhile is read anew
        return Next::kLost;
      }
      auto record = decoder_.decode(frame->seq, frame->type, frame->payload);
      if (!record && (record.error() == RecordDecoder::Failure::kMalformed ||
                      (frame->flags & kFrameMaySkip) == 0)) {
        return Next::kLost;
      }
      ++position_;
      if (!record) continue;
      visit(**record);
      return Next::kRecord;
    }
  }

  [[nodiscard]] Seq position() const noexcept override { return position_; }

 private:
  /// Makes reader_ the reader of the segment with position_.
  bool enter_segment(Seq safe) {
    if (reader_ && position_ <= known_last_) return true;
    auto found = store_->find(position_);
    if (!found.segment) return false;
    // An open segment holds at least what is safe now.
    // A closed one may end with records that are not, and are taken back.
    known_last_ = found.open ? position_ : std::min(found.last_seq, safe);
    if (reader_ && &reader_->segment() == found.segment.get()) return true;
    reader_.emplace(env_, std::move(found.segment));
    offset_ = kSegmentHeaderBytes;
    return true;
  }

  /// Steps over batch headers and earlier records to the frame of position_.
  std::optional<Frame> find_frame() {
    bool fresh = false;
    for (;;) {
      const auto frame = frame_at(fresh);
      if (!frame) {
        if (fresh) return std::nullopt;
        fresh = true;  // the window may be older than the record
        continue;
      }
      fresh = false;
      if (frame->seq > position_) return std::nullopt;
      offset_ += frame->bytes;
      if (frame->seq == position_) return frame;
    }
  }

  std::optional<Frame> frame_at(bool fresh) {
    const Segment& segment = reader_->segment();
    std::string_view bytes = reader_->at(offset_, kFrameHeaderBytes, fresh);
    if (segment.identity.kind == SegmentKind::kWritten) {
      // A batch's trailer, then the next one's header, may stand before the frame.
      std::uint64_t skip = 0;
      bytes = reader_->at(offset_, kBatchTrailerBytes + kBatchHeaderBytes, fresh);
      if (is_batch_trailer(bytes)) skip = kBatchTrailerBytes;
      if (parse_batch_header(bytes.substr(std::min<std::size_t>(skip, bytes.size())),
                             segment.seed)) {
        offset_ += skip + kBatchHeaderBytes;
        bytes = reader_->at(offset_, kFrameHeaderBytes, false);
      } else if (skip != 0) {
        return std::nullopt;  // the batch behind it came later; a trailer is no frame
      }
    }
    if (bytes.size() < kFrameHeaderBytes) return std::nullopt;
    const std::size_t payload = load_le<std::uint32_t>(bytes.data() + 4);
    if (payload > kMaxPayloadBytes) return std::nullopt;
    bytes = reader_->at(offset_, frame_bytes(payload), false);
    return parse_frame(bytes, segment.seed);
  }

  Env& env_;
  std::shared_ptr<SegmentStore> store_;
  RecordDecoder decoder_;
  Seq position_;
  std::optional<SegmentReader> reader_;
  Seq known_last_ = 0;  ///< reader_'s segment holds position_ if that is not above
  std::uint64_t offset_ = 0;
};

}  // namespace

std::unique_ptr<JournalTail> open_tail(Env& env, const Journal& journal, PermTable& perms,
                                       Seq from_seq) {
  // Every journal that open_journal() makes is a JournalCore; another has nothing to follow.
  const auto* core = dynamic_cast<const JournalCore*>(&journal);
  return std::make_unique<Tail>(env, core != nullptr ? core->store() : nullptr, perms,
                                std::max<Seq>(from_seq, 1));
}

}  // namespace vxs::store
