#include "protocol/ring_page.hh"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace vxs::protocol {
namespace {

std::atomic_ref<std::uint32_t> word(std::byte* page, std::size_t offset) noexcept {
  return std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(page + offset));
}

constexpr std::size_t data_of(RingDirection direction) noexcept {
  return direction == RingDirection::kRequests ? kRingRequests : kRingReplies;
}
constexpr std::size_t cons_of(RingDirection direction) noexcept {
  return direction == RingDirection::kRequests ? kRingReqCons : kRingRspCons;
}
constexpr std::size_t prod_of(RingDirection direction) noexcept {
  return direction == RingDirection::kRequests ? kRingReqProd : kRingRspProd;
}

/// True if `memory` is where a word of the copies below may lie.
bool aligned(const std::byte* memory) noexcept {
  return reinterpret_cast<std::uintptr_t>(memory) % sizeof(std::uint64_t) == 0;
}

// Shared memory, copied with relaxed accesses: word by word where it is aligned. What is torn or
// stale by the other side's doing is that side's own data.
void copy_out(std::byte* from, char* to, std::size_t count) noexcept {
  while (count > 0) {
    if (count >= sizeof(std::uint64_t) && aligned(from)) {
      const std::uint64_t value =
          std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(from))
              .load(std::memory_order_relaxed);
      std::memcpy(to, &value, sizeof value);
      from += sizeof value;
      to += sizeof value;
      count -= sizeof value;
    } else {
      *to++ =
          static_cast<char>(std::atomic_ref<std::byte>(*from++).load(std::memory_order_relaxed));
      --count;
    }
  }
}

void copy_in(const char* from, std::byte* to, std::size_t count) noexcept {
  while (count > 0) {
    if (count >= sizeof(std::uint64_t) && aligned(to)) {
      std::uint64_t value = 0;
      std::memcpy(&value, from, sizeof value);
      std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(to))
          .store(value, std::memory_order_relaxed);
      from += sizeof value;
      to += sizeof value;
      count -= sizeof value;
    } else {
      std::atomic_ref<std::byte>(*to++).store(static_cast<std::byte>(*from++),
                                              std::memory_order_relaxed);
      --count;
    }
  }
}

/// Bytes from the slot of `index` to the ring's end.
constexpr std::size_t contiguous(std::uint32_t index) noexcept {
  return kRingSize - index % kRingSize;
}

}  // namespace

std::uint32_t RingPageView::load(std::size_t offset) const noexcept {
  return word(page_, offset).load(std::memory_order_seq_cst);
}

void RingPageView::store(std::size_t offset, std::uint32_t value) const noexcept {
  word(page_, offset).store(value, std::memory_order_seq_cst);
}

void RingPageView::zero_indices() const noexcept {
  for (const std::size_t offset : {kRingReqCons, kRingReqProd, kRingRspCons, kRingRspProd}) {
    store(offset, 0);
  }
}

// A look loads with acquire at least: data is read, or overwritten, only after the other side is
// seen to be done with it. Publishing is sequentially consistent, so that the next look cannot
// come before it: else both sides could go to sleep, each having missed what the other did.

std::optional<RingReader> RingReader::look(RingPageView page, RingDirection direction) noexcept {
  const std::uint32_t cons = page.load(cons_of(direction));
  const std::uint32_t prod = page.load(prod_of(direction));
  const std::uint32_t available = prod - cons;  // modulo 2^32
  if (available > kRingSize) return std::nullopt;
  return RingReader(page, direction, cons, available);
}

void RingReader::peek(std::span<char> out) const noexcept {
  std::byte* const ring = page_.bytes() + data_of(direction_);
  const std::size_t count = std::min<std::size_t>(out.size(), available_);
  const std::size_t first = std::min(count, contiguous(cons_));
  copy_out(ring + cons_ % kRingSize, out.data(), first);
  copy_out(ring, out.data() + first, count - first);
}

void RingReader::read(std::span<char> out) noexcept {
  peek(out);
  const auto count = std::min(static_cast<std::uint32_t>(out.size()), available_);
  cons_ += count;
  available_ -= count;
}

void RingReader::publish() const noexcept { page_.store(cons_of(direction_), cons_); }

std::optional<RingWriter> RingWriter::look(RingPageView page, RingDirection direction) noexcept {
  const std::uint32_t cons = page.load(cons_of(direction));
  const std::uint32_t prod = page.load(prod_of(direction));
  const std::uint32_t used = prod - cons;  // modulo 2^32
  if (used > kRingSize) return std::nullopt;
  return RingWriter(page, direction, prod, kRingSize - used);
}

void RingWriter::write(std::string_view bytes) noexcept {
  std::byte* const ring = page_.bytes() + data_of(direction_);
  const std::size_t count = std::min<std::size_t>(bytes.size(), room_);
  const std::size_t first = std::min(count, contiguous(prod_));
  copy_in(bytes.data(), ring + prod_ % kRingSize, first);
  copy_in(bytes.data() + first, ring, count - first);
  prod_ += static_cast<std::uint32_t>(count);
  room_ -= static_cast<std::uint32_t>(count);
}

void RingWriter::publish() const noexcept { page_.store(prod_of(direction_), prod_); }

}  // namespace vxs::protocol
