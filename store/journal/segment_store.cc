#include "store/journal/segment_store.hh"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace vxs::store {
namespace {

constexpr std::uint64_t kPage = 4096;

std::uint64_t segment_size_for(std::uint64_t usual, std::size_t frame_bytes) noexcept {
  const std::uint64_t needed =
      kSegmentHeaderBytes + kBatchHeaderBytes + kBatchTrailerBytes + std::uint64_t{frame_bytes};
  const std::uint64_t size = usual > needed ? usual : needed;
  return (size + kPage - 1) & ~(kPage - 1);
}

}  // namespace

SegmentStore::SegmentStore(Env& env, const JournalOptions& options, SegmentKind kind,
                           std::uint64_t incarnation, std::uint64_t first_number)
    : env_(env),
      options_(options),
      kind_(kind),
      incarnation_(incarnation),
      next_number_(first_number) {}

SegmentStore::~SegmentStore() {
  if (burial_.joinable()) burial_.join();
}

bool SegmentStore::exceeds_budget(std::size_t frame_bytes) const noexcept {
  return segment_size_for(options_.segment_bytes, frame_bytes) > options_.budget_bytes;
}

bool SegmentStore::is_pressed(std::size_t frame_bytes) const noexcept {
  return bytes() + segment_size_for(options_.segment_bytes, frame_bytes) >
         options_.budget_bytes / 2;
}

IoResult<std::shared_ptr<Segment>> SegmentStore::create(std::size_t frame_bytes,
                                                        std::uint64_t at_most) {
  const std::uint64_t usual = std::min(options_.segment_bytes, at_most);
  const std::uint64_t size = segment_size_for(usual, frame_bytes);
  std::uint64_t number = 0;
  {
    const std::scoped_lock lock(mutex_);
    if (bytes_.load(std::memory_order_relaxed) + size > options_.budget_bytes) {
      return tl::unexpected(make_io_error(ENOSPC, "journal budget of", options_.directory));
    }
    bytes_.fetch_add(size, std::memory_order_relaxed);
    number = next_number_++;
  }
  auto made = make(number, size);
  if (!made) forget_bytes(size);
  return made;
}

void SegmentStore::forget_bytes(std::uint64_t size) noexcept {
  bytes_.fetch_sub(size, std::memory_order_relaxed);
}

IoResult<std::shared_ptr<Segment>> SegmentStore::make(std::uint64_t number, std::uint64_t size) {
  auto segment = std::make_shared<Segment>();
  segment->bytes = size;
  segment->identity = {.number = number,
                       .nonce = env_.random_bits(),
                       .incarnation = incarnation_,
                       .bytes = size,
                       .kind = kind_,
                       .durability = options_.durability,
                       .boot_id = options_.boot_id};
  segment->seed = segment->identity.seed();
  const std::string identity = encode_identity(segment->identity);
  if (options_.durability != Durability::kMemory) {
    segment->path = options_.directory + "/" + segment_name(number);
  }
  if (kind_ == SegmentKind::kMapped) {
    auto mapping = segment->path.empty()
                       ? env_.create_anonymous(static_cast<std::size_t>(size))
                       : env_.create_mapping(segment->path, static_cast<std::size_t>(size));
    if (!mapping) return tl::unexpected(mapping.error());
    segment->mapping = std::move(*mapping);
    std::memcpy(segment->mapping->bytes().data(), identity.data(), identity.size());
    return segment;
  }
  if (auto made = make_written(*segment, identity); !made) {
    segment->file.reset();
    (void)env_.remove_file(segment->path);  // it may not be there; nothing more can be done
    return tl::unexpected(made.error());
  }
  return segment;
}

IoResult<void> SegmentStore::make_written(Segment& segment, const std::string& identity) {
  auto file = env_.create_file(segment.path);
  if (!file) return tl::unexpected(file.error());
  segment.file = std::move(*file);
  if (auto done = segment.file->preallocate(segment.bytes); !done) return done;
  if (auto done = segment.file->write_at(0, identity); !done) return done;
  if (options_.durability != Durability::kDisk) return {};
  // Before the first record, so that a header that cannot be read is damage and never a torn end.
  if (auto done = segment.file->sync(); !done) return done;
  return env_.sync_directory(options_.directory);
}

IoResult<void> SegmentStore::activate(const std::shared_ptr<Segment>& segment,
                                      const SegmentOpening& opening) {
  const std::string block = encode_opening(opening, segment->seed);
  if (segment->mapping) {
    std::memcpy(segment->mapping->bytes().data() + kOpeningOffset, block.data(), block.size());
  } else if (auto written = segment->file->write_at(kOpeningOffset, block); !written) {
    return written;
  }
  const std::scoped_lock lock(mutex_);
  for (auto& other : segments_) {
    if (!other->open) continue;
    other->open = false;
    other->last_seq = opening.continues_from;
  }
  segment->opening = opening;
  segment->open = true;
  segments_.push_back(segment);
  return {};
}

IoResult<void> SegmentStore::sync_names() { return env_.sync_directory(options_.directory); }

void SegmentStore::close_open(Seq last_seq) {
  const std::scoped_lock lock(mutex_);
  for (auto& segment : segments_) {
    if (!segment->open) continue;
    segment->open = false;
    segment->last_seq = last_seq;
  }
}

void SegmentStore::discard(std::shared_ptr<Segment> segment) {
  if (!segment) return;
  if (!segment->path.empty()) (void)env_.remove_file(segment->path);  // recovery removes it else
  forget_bytes(segment->bytes);
}

bool SegmentStore::take_back(const std::shared_ptr<Segment>& segment) {
  if (!segment->path.empty()) {
    const auto removed = env_.remove_file(segment->path);
    if (!removed && removed.error().code != ENOENT) return false;
  }
  const std::scoped_lock lock(mutex_);
  if (std::erase(segments_, segment) != 0) forget_bytes(segment->bytes);
  return true;
}

void SegmentStore::adopt(std::shared_ptr<Segment> segment) {
  const std::scoped_lock lock(mutex_);
  bytes_.fetch_add(segment->bytes, std::memory_order_relaxed);
  segments_.push_back(std::move(segment));
}

void SegmentStore::remove_covered(Seq covered) {
  std::vector<std::shared_ptr<Segment>> gone;
  {
    const std::scoped_lock lock(mutex_);
    std::size_t count = 0;
    while (count < segments_.size() && !segments_[count]->open &&
           (segments_[count]->last_seq <= covered ||
            segments_[count]->last_seq < segments_[count]->opening.first_seq)) {
      ++count;
    }
    const auto end = segments_.begin() + static_cast<std::ptrdiff_t>(count);
    gone.assign(segments_.begin(), end);
    segments_.erase(segments_.begin(), end);
  }
  for (std::size_t i = 0; i < gone.size(); ++i) {
    if (!remove(*gone[i])) {
      // Oldest first, or the log would have a hole: the rest stays for the next time.
      const std::scoped_lock lock(mutex_);
      segments_.insert(segments_.begin(), gone.begin() + static_cast<std::ptrdiff_t>(i),
                       gone.end());
      gone.resize(i);
      break;
    }
  }
  bury(std::move(gone));
}

// Unmapping 16 MiB gives 4096 pages back one by one, about 4 ms: not on the event loop.
void SegmentStore::bury(std::vector<std::shared_ptr<Segment>> gone) {
  if (gone.empty() || kind_ != SegmentKind::kMapped) return;
  if (burial_.joinable()) burial_.join();
  try {
    burial_ = std::thread([dead = std::move(gone)]() mutable { dead.clear(); });
  } catch (const std::system_error&) {
    return;  // no thread to be had: they went here
  }
}

bool SegmentStore::remove(const Segment& segment) {
  if (!segment.path.empty()) {
    const auto removed = env_.remove_file(segment.path);
    if (!removed && removed.error().code != ENOENT) return false;
  }
  forget_bytes(segment.bytes);
  return true;
}

void SegmentStore::remove_empty() {
  const std::scoped_lock lock(mutex_);
  std::erase_if(segments_, [this](const std::shared_ptr<Segment>& segment) {
    return !segment->open && segment->last_seq < segment->opening.first_seq &&
           !segment->opening.begins_empty && remove(*segment);
  });
}

SegmentStore::Found SegmentStore::find(Seq seq) const {
  const std::scoped_lock lock(mutex_);
  for (auto it = segments_.rbegin(); it != segments_.rend(); ++it) {
    const Segment& segment = **it;
    if (seq < segment.opening.first_seq) continue;
    if (!segment.open && seq > segment.last_seq) return {};
    return {*it, segment.last_seq, segment.open};
  }
  return {};
}

}  // namespace vxs::store
