#include "daemon/wire_area/wire_bytes.hh"

#include <algorithm>
#include <cstring>

namespace vxs::daemon {
namespace {

using wire_layout::Control;
using wire_layout::kPage;
using wire_layout::Set;

/// What a stream keeps when it is empty; more was a burst.
constexpr std::uint64_t kKeep = 64 * 1024;
/// Less than this in front of the content is not worth moving it.
constexpr std::uint64_t kMoveFrom = 16 * 1024;
/// Reserved ahead at most, of a large stream.
constexpr std::uint64_t kMaxStep = 1024 * 1024;

constexpr std::uint64_t pages(std::uint64_t size) noexcept {
  return wire_layout::round_up(size, kPage);
}

}  // namespace

bool WireBytes::dead() const noexcept {
  const Set& set = wire_layout::published(*control_);
  const std::uint64_t used = words_.sent != nullptr ? control_->*words_.sent : set.*words_.begin;
  return end_ == set.*words_.end && end_ == used;
}

void WireBytes::restore() noexcept {
  const Set& set = wire_layout::published(*control_);
  begin_ = set.*words_.begin;
  end_ = set.*words_.end;
  origin_ = set.*words_.origin;
  // All was sent, and its bytes may have been written over since.
  if (dead()) begin_ = origin_ = end_;
  // Content has pages up to its end, whatever its owner did; what lies beyond is not known.
  reserved_ = pages(end_ - origin_);
  touched_ = region();
}

bool WireBytes::append(std::string_view bytes) {
  if (dead()) {
    begin_ = end_;
    origin_ = end_;
  }
  if (size() + bytes.size() > limit_) return false;
  if (end_ - origin_ + bytes.size() > reserved_ && !make_room(bytes.size())) return false;
  std::copy(bytes.begin(), bytes.end(), memory() + (end_ - origin_));
  end_ += bytes.size();
  return true;
}

bool WireBytes::rewrite(std::uint64_t from, std::string_view content, std::uint64_t published_end) {
  const std::uint64_t kept = from - begin_;
  const std::uint64_t size = kept + content.size();
  if (from >= this->published_end() && from + content.size() <= end_) {
    if (!content.empty()) std::memmove(memory() + (from - origin_), content.data(), content.size());
    end_ = from + content.size();
    // Where `from` is the published end, this may publish what follows it.
    if (published_end != this->published_end()) publish_content(published_end);
    return true;
  }
  if (size > limit_) return false;
  const std::uint64_t old = begin_ - origin_;
  // In front of the old content, or behind it: the region is large enough for one of them.
  const std::uint64_t place = size <= old ? 0 : end_ - origin_;
  if (!reserve(place + size)) return false;
  char* to = memory() + place;
  std::copy_n(memory() + old, kept, to);
  std::copy(content.begin(), content.end(), to + kept);
  origin_ = begin_ - place;
  end_ = begin_ + size;
  publish_content(published_end);
  give_back_tail();
  return true;
}

void WireBytes::forget_dead() noexcept {
  if (!dead()) return;
  begin_ = end_;
  origin_ = end_;
  shrink(kKeep);
}

bool WireBytes::make_room(std::uint64_t count) {
  const std::uint64_t place = begin_ - origin_;
  // Content moves only where it does not overlap itself, and only when half of the room is wasted:
  // so each byte is moved once on average. At two thirds of the region it always can.
  if (place >= kMoveFrom && place >= size()) move_to_front();
  return reserve(end_ - origin_ + count);
}

bool WireBytes::reserve(std::uint64_t size) {
  if (size <= reserved_) return true;
  const std::uint64_t needed = pages(size);
  const std::uint64_t ahead =
      std::clamp(std::min(reserved_ * 2, reserved_ + kMaxStep), needed, std::max(needed, region()));
  for (const std::uint64_t upto : {ahead, needed}) {
    if (file_->reserve(offset_ + reserved_, upto - reserved_)) {
      reserved_ = upto;
      touched_ = std::max(touched_, upto);
      return true;
    }
  }
  return false;
}

void WireBytes::move_to_front() noexcept {
  const std::uint64_t end = published_end();
  std::copy_n(memory() + (begin_ - origin_), size(), memory());
  origin_ = begin_;
  if (end > begin_) publish_content(end);
  give_back_tail();
}

void WireBytes::publish_content(std::uint64_t published_end) noexcept {
  Set next = wire_layout::published(*control_);
  next.*words_.begin = begin_;
  next.*words_.end = published_end;
  next.*words_.origin = origin_;
  wire_layout::publish(*control_, next);
}

void WireBytes::give_back_tail() noexcept {
  const std::uint64_t used = pages(end_ - origin_);
  if (touched_ > std::max(kKeep, 2 * used)) shrink(std::max(kKeep, used));
}

void WireBytes::shrink(std::uint64_t keep) noexcept {
  if (touched_ <= keep) return;
  file_->give_back(offset_ + keep, touched_ - keep);
  touched_ = keep;
  reserved_ = std::min(reserved_, keep);
}

}  // namespace vxs::daemon
