// What lies where in the wire area's memory. Private to this folder; the format is described here.
//
//   [Header][state words][slot blocks: 16 KiB each, the Control first, input after it]
//   [slot data: output region, log region; sparse]
//
// A successor, maybe a newer program, reads it: a change of anything here needs a new kVersion.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "store/crash_point.hh"

namespace vxs::daemon::wire_layout {

inline constexpr std::uint64_t kMagic = 0x6165726165726977;  // "wirearea", as bytes
inline constexpr std::uint32_t kVersion = 3;
inline constexpr std::uint64_t kPage = 4096;

/// Page tables are not shared between slots' data; so the data of one begins in one of its own.
inline constexpr std::uint64_t kDataAlignment = 2 * 1024 * 1024;
/// And at one of so many of its pages: a CPU keeps translations by an address's lower bits, and
/// would have eight to sixteen places for all slots.
inline constexpr std::uint64_t kColours = 64;
inline constexpr std::uint64_t kStatesOffset = kPage;
inline constexpr std::uint64_t kBlockSize = 4 * kPage;
inline constexpr std::uint64_t kControlSize = 1024;
/// Beside the control words, so that who asks little keeps one page.
inline constexpr std::uint64_t kInputSize = kBlockSize - kControlSize;
/// A region of output or log is this many times as large as what it may hold, so that there is
/// always room for a second copy before or behind the first.
inline constexpr std::uint64_t kRegionFactor = 3;

inline constexpr std::uint32_t kMaxSlots = (1U << 20) - 1;
inline constexpr std::uint64_t kMinLimit = 64 * 1024;
inline constexpr std::uint64_t kMaxLimit = 1024 * 1024 * 1024;

/// Of a state word (32 bits each, so that a successor need not touch the pages of free slots):
/// free, or the connection's kind.
inline constexpr std::uint32_t kFree = 0;

constexpr std::uint64_t round_up(std::uint64_t size, std::uint64_t to) noexcept {
  return (size + to - 1) / to * to;
}

/// Where everything lies in an area of given limits.
struct Geometry {
  std::uint64_t slots;
  std::uint64_t output_limit;
  std::uint64_t log_limit;

  [[nodiscard]] constexpr std::uint64_t block(std::uint64_t index) const noexcept {
    return kStatesOffset + round_up(slots * sizeof(std::uint32_t), kPage) + index * kBlockSize;
  }
  [[nodiscard]] constexpr std::uint64_t stride() const noexcept {
    return round_up((output_limit + log_limit) * kRegionFactor + kColours * kPage, kDataAlignment);
  }
  [[nodiscard]] constexpr std::uint64_t data(std::uint64_t index) const noexcept {
    return round_up(block(slots), kDataAlignment) + index * stride() + index % kColours * kPage;
  }
  [[nodiscard]] constexpr std::uint64_t size() const noexcept { return data(slots); }
};

struct Header {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t control_size;  ///< sizeof(Control): another one is another layout
  std::uint32_t slots;
  std::uint32_t unused;
  std::uint64_t output_limit;
  std::uint64_t log_limit;
  std::uint64_t checksum;  ///< of all above

  std::uint64_t tag;
  std::uint64_t restarts;
  std::uint64_t published_seq;
  /// The request that is carried out: slot + 1 (20 bits), deaths in it before (4), ordinal (40).
  std::uint64_t in_flight;
};

/// What is true together: kept twice, the selector says which one holds. Positions count the bytes
/// of a stream since its beginning; `position - origin` is an offset into the stream's region.
struct Set {
  std::uint64_t in_begin;
  std::uint64_t handled;
  std::uint64_t out_begin;
  std::uint64_t out_end;
  std::uint64_t out_origin;
  std::uint64_t log_begin;
  std::uint64_t log_end;
  std::uint64_t log_origin;
};

struct Control {
  Set sets[2];
  std::uint64_t selector;

  // Each changed by one store, after the bytes it stands for moved.
  std::uint64_t in_origin;
  std::uint64_t in_end;
  std::uint64_t out_sent;
  /// in_end and the socket's own count of bytes left to receive (wire_slot.cc) together; 0: the
  /// socket does not count yet.
  std::uint64_t in_counter;
  /// out_sent when the last send began: while they are equal, `send.msg_len` is to be added.
  std::uint64_t send_at;
  /// What that send moves at most, of a ring.
  std::uint64_t send_length;
  /// A ring's req_cons is in_end less the first, its rsp_prod out_sent less the second.
  std::uint64_t ring_in_origin;
  std::uint64_t ring_out_origin;
  /// Bytes that are being taken from the ring; 0: what in_end says is what the page says.
  std::uint64_t ring_taking;
  /// The record after which the ring's streams began anew last (a Seq).
  std::uint64_t ring_begun;

  // Who it is.
  std::uint64_t connection;
  std::uint64_t descriptor;
  std::uint64_t next_tx;
  std::uint32_t kind;
  std::uint32_t domid;
  std::int32_t pid;
  std::uint32_t uid;
  std::uint32_t features;
  std::uint32_t unused;
  char command[16];

  // Given to the kernel; the pointers are those of the process that runs.
  mmsghdr send;
  iovec send_from;
};

static_assert(std::is_trivially_copyable_v<Header> && sizeof(Header) <= kStatesOffset);
static_assert(std::is_trivially_copyable_v<Control> && sizeof(Control) <= kControlSize);

/// Of what create() wrote once.
[[nodiscard]] inline std::uint64_t checksum(const Header& header) noexcept {
  std::uint64_t sum = 14695981039346656037ULL;  // FNV-1a
  const auto* byte = reinterpret_cast<const unsigned char*>(&header);
  for (std::size_t i = 0; i < offsetof(Header, checksum); ++i) {
    sum = (sum ^ byte[i]) * 1099511628211ULL;
  }
  return sum;
}

/// Changes one word after all stores before it and before all stores after it, in the compiler's
/// order. That is enough: what a killed process leaves behind is what it had done up to some
/// instruction, whatever its CPU did in between, and nobody reads the area while it lives.
template <typename Word>
inline void store_word(Word& word, std::type_identity_t<Word> value) noexcept {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::atomic_ref<Word>(word).store(value, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

inline const Set& published(const Control& control) noexcept {
  return control.sets[control.selector & 1];
}

/// `next` holds from now on, in one step.
inline void publish(Control& control, const Set& next) noexcept {
  const std::uint64_t other = 1 - (control.selector & 1);
  control.sets[other] = next;
  VXS_CRASH_POINT("publish-half");
  store_word(control.selector, other);
}

}  // namespace vxs::daemon::wire_layout
