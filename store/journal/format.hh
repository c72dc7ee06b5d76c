// The bytes of a segment file (docs/journal.md): header page, batches, frames.
// Pure functions over memory; all numbers little-endian.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/ids.hh"
#include "store/journal/journal.hh"

namespace vxs::store {

static_assert(std::endian::native == std::endian::little, "the formats are little-endian");

template <typename T>
[[nodiscard]] T load_le(const char* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
template <typename T>
void store_le(char* at, T value) noexcept {
  std::memcpy(at, &value, sizeof value);
}

inline constexpr std::uint32_t kJournalVersion = 1;
inline constexpr std::size_t kSegmentHeaderBytes = 4096;
inline constexpr std::size_t kIdentityBytes = 256;
inline constexpr std::size_t kOpeningOffset = 512;
inline constexpr std::size_t kOpeningBytes = 64;
inline constexpr std::size_t kPublishedOffset = 1024;
inline constexpr std::size_t kFrameHeaderBytes = 24;
inline constexpr std::size_t kBatchHeaderBytes = 40;
inline constexpr std::size_t kBatchTrailerBytes = 8;
/// The largest payload a frame may have.
inline constexpr std::size_t kMaxPayloadBytes = std::size_t{1} << 28;
inline constexpr std::uint16_t kFrameMaySkip = 1;
inline constexpr std::size_t kBootIdBytes = 64;

/// How the bytes get into the segment.
enum class SegmentKind : std::uint32_t {
  kMapped = 1,   ///< frames one after the other; the header page's published length ends them
  kWritten = 2,  ///< batches of frames
};

/// Block A of the header page: what the segment is. Written when the file is made.
struct SegmentIdentity {
  std::uint64_t number = 0;
  std::uint64_t nonce = 0;
  std::uint64_t incarnation = 0;  ///< counts the daemon's starts
  std::uint64_t bytes = 0;        ///< the file's size when made
  SegmentKind kind = SegmentKind::kMapped;
  Durability durability = Durability::kProcess;
  std::string boot_id;

  /// What every checksum in the segment begins with.
  [[nodiscard]] std::uint32_t seed() const noexcept;
};

/// Block B of the header page: where the segment stands in the log. Written before its first frame.
struct SegmentOpening {
  Seq first_seq = 0;
  /// The record before first_seq; records above it in earlier segments are abandoned.
  Seq continues_from = 0;
  /// The state begins empty here: earlier records and checkpoints are history only.
  bool begins_empty = false;
};

[[nodiscard]] std::string encode_identity(const SegmentIdentity& identity);
[[nodiscard]] std::string encode_opening(const SegmentOpening& opening, std::uint32_t seed);

enum class HeaderState : std::uint8_t { kGood, kZero, kBad, kNewerVersion };
/// Both take the whole header page (or what there is of it).
[[nodiscard]] HeaderState decode_identity(std::string_view page, SegmentIdentity& out);
[[nodiscard]] HeaderState decode_opening(std::string_view page, std::uint32_t seed,
                                         SegmentOpening& out);
/// The published length of a mapped segment read from a copy of its page.
[[nodiscard]] std::uint64_t decode_published(std::string_view page) noexcept;

/// Bytes a frame takes for a payload of that size, padding to 8 included.
[[nodiscard]] constexpr std::size_t frame_bytes(std::size_t payload) noexcept {
  return (kFrameHeaderBytes + payload + 7) & ~std::size_t{7};
}

struct Frame {
  Seq seq = 0;
  std::uint16_t type = 0;
  std::uint16_t flags = 0;
  std::string_view payload;
  std::size_t bytes = 0;  ///< of the whole frame
};

/// Fills in a frame's header around a payload that already stands at
/// out + kFrameHeaderBytes, and zeroes the padding. The checksum is left to seal_frame.
void put_frame_header(char* out, Seq seq, std::uint16_t type, std::uint16_t flags,
                      std::size_t payload) noexcept;
/// Stores the checksum of a frame put before.
void seal_frame(char* frame, std::uint32_t seed) noexcept;
/// Size of the frame that begins at `frame` (trusted: our own memory).
[[nodiscard]] inline std::size_t framed_bytes(const char* frame) noexcept {
  return frame_bytes(load_le<std::uint32_t>(frame + 4));
}

/// The frame at the beginning of `bytes`, or nothing if it is not whole and right.
[[nodiscard]] std::optional<Frame> parse_frame(std::string_view bytes, std::uint32_t seed) noexcept;

struct BatchHeader {
  Seq first_seq = 0;
  Seq durable_up_to = 0;  ///< everything up to here was safe when the batch was written
  std::uint64_t payload_bytes = 0;
  std::uint32_t records = 0;
};

void put_batch_header(char* out, const BatchHeader& header, std::uint32_t seed) noexcept;
[[nodiscard]] std::optional<BatchHeader> parse_batch_header(std::string_view bytes,
                                                            std::uint32_t seed) noexcept;
/// The trailer repeats the batch header's checksum: a batch that has it was written to its end.
void put_batch_trailer(char* out, const char* batch_header) noexcept;
[[nodiscard]] bool has_batch_trailer(std::string_view batch, const BatchHeader& header) noexcept;
/// True if a trailer stands at the beginning of `bytes`, of whatever batch.
[[nodiscard]] bool is_batch_trailer(std::string_view bytes) noexcept;
/// True where the magic number of a batch stands, whatever its checksum.
[[nodiscard]] bool looks_like_batch(const char* at) noexcept;

[[nodiscard]] bool all_zero(std::string_view bytes) noexcept;

/// "segment-0000000007" and "checkpoint-00000000000000000042" in their directory.
[[nodiscard]] std::string segment_name(std::uint64_t number);
[[nodiscard]] std::string checkpoint_name(Seq seq);
[[nodiscard]] std::optional<std::uint64_t> parse_segment_name(std::string_view name) noexcept;
[[nodiscard]] std::optional<Seq> parse_checkpoint_name(std::string_view name) noexcept;

}  // namespace vxs::store
