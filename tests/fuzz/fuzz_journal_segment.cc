// Input: flags, a fault {position u16, length u8, pattern u8}, then one byte for
// each record: its payload's length and whether a batch begins with it. A right
// segment is built of that, the fault put into it, and the scan's story checked.
// Faults: bytes changed, the file cut, or a right frame in another one's place.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "store/journal/format.hh"
#include "store/journal/scan.hh"
#include "tests/fuzz/check.hh"

namespace {

using vxs::Seq;
using vxs::fuzz::check;
using namespace vxs::store;

constexpr Seq kFirstSeq = 100;
constexpr std::uint16_t kType = 1;

enum : unsigned {
  kWrittenFlag = 1,
  kSameBootFlag = 2,
  kDiskFlag = 4,
  kFaultFlag = 8,
  kCutFlag = 16,
  kSwapFlag = 32
};

struct Extent {
  std::size_t begin = 0;
  std::size_t end = 0;
  [[nodiscard]] bool touches(std::size_t from, std::size_t size) const {
    return begin < from + size && from < end;
  }
};

struct Segment {
  SegmentIdentity identity;
  std::string file = std::string(kSegmentHeaderBytes, '\0');
  std::vector<std::string> payloads;
  std::vector<Extent> frames;
  struct Batch {
    std::size_t at = 0;
    Seq durable_up_to = 0;
  };
  std::vector<Batch> batches;

  [[nodiscard]] Seq last_seq() const { return kFirstSeq + payloads.size() - 1; }
};

void append_frame(Segment& segment, unsigned char command) {
  const std::size_t at = segment.file.size();
  const std::string payload(command & 63U, static_cast<char>(segment.payloads.size() + command));
  segment.file.resize(at + frame_bytes(payload.size()));
  char* const frame = segment.file.data() + at;
  payload.copy(frame + kFrameHeaderBytes, payload.size());
  put_frame_header(frame, kFirstSeq + segment.payloads.size(), kType, 0, payload.size());
  seal_frame(frame, segment.identity.seed());
  segment.payloads.push_back(payload);
  segment.frames.push_back({.begin = at, .end = segment.file.size()});
}

void append_batch(Segment& segment, std::string_view commands) {
  const std::size_t at = segment.file.size();
  BatchHeader header;
  header.first_seq = kFirstSeq + segment.payloads.size();
  // What had been written was safe by then, or (0x80) only what came before that.
  const bool lags = (static_cast<unsigned char>(commands.front()) & 0x80U) != 0;
  if (!segment.batches.empty()) {
    header.durable_up_to = lags ? segment.batches.back().durable_up_to : segment.last_seq();
  }
  segment.batches.push_back({.at = at, .durable_up_to = header.durable_up_to});
  segment.file.resize(at + kBatchHeaderBytes);
  for (const char command : commands) append_frame(segment, static_cast<unsigned char>(command));
  header.payload_bytes = segment.file.size() - at - kBatchHeaderBytes;
  header.records = static_cast<std::uint32_t>(commands.size());
  put_batch_header(segment.file.data() + at, header, segment.identity.seed());
  segment.file.resize(segment.file.size() + kBatchTrailerBytes);
  char* const trailer = segment.file.data() + segment.file.size() - kBatchTrailerBytes;
  put_batch_trailer(trailer, segment.file.data() + at);
}

Segment build(unsigned flags, std::string_view commands) {
  Segment segment;
  segment.identity.nonce = 0x1122334455667788;
  segment.identity.incarnation = 3;
  segment.identity.kind =
      (flags & kWrittenFlag) != 0 ? SegmentKind::kWritten : SegmentKind::kMapped;
  segment.identity.durability = (flags & kDiskFlag) != 0 ? Durability::kDisk : Durability::kProcess;
  if ((flags & kWrittenFlag) == 0) {
    for (const char command : commands) append_frame(segment, static_cast<unsigned char>(command));
    store_le<std::uint64_t>(segment.file.data() + kPublishedOffset, segment.file.size());
  }
  while ((flags & kWrittenFlag) != 0 && !commands.empty()) {
    const auto begins_batch = [](char c) { return (static_cast<unsigned char>(c) & 64U) != 0; };
    const auto next = std::find_if(commands.begin() + 1, commands.end(), begins_batch);
    const auto size = static_cast<std::size_t>(next - commands.begin());
    append_batch(segment, commands.substr(0, size));
    commands.remove_prefix(size);
  }
  segment.file.append(256, '\0');  // preallocated
  return segment;
}

/// Puts a frame of the segment in the place of another that is as long.
Extent swap_frame(Segment& segment, std::size_t from_index, std::size_t to_index) {
  const Extent from = segment.frames[from_index % segment.frames.size()];
  const Extent to = segment.frames[to_index % segment.frames.size()];
  if (from.begin == to.begin || from.end - from.begin != to.end - to.begin) return {};
  segment.file.replace(to.begin, to.end - to.begin, segment.file, from.begin,
                       from.end - from.begin);
  return to;
}

/// Returns what the fault may have changed.
Extent put_fault(Segment& segment, unsigned flags, std::size_t position, std::size_t length,
                 unsigned char pattern) {
  if ((flags & kFaultFlag) == 0) return {};
  if ((flags & kSwapFlag) != 0) return swap_frame(segment, pattern, position);
  std::string& file = segment.file;
  const std::size_t begin = std::min(kSegmentHeaderBytes + position, file.size());
  if ((flags & kCutFlag) != 0) {
    const Extent cut{.begin = begin, .end = file.size()};
    file.resize(begin);
    return cut;
  }
  const std::size_t end = std::min(begin + length, file.size());
  for (std::size_t i = begin; i < end; ++i) file[i] = static_cast<char>(file[i] ^ pattern);
  return pattern == 0 ? Extent{} : Extent{.begin = begin, .end = end};
}

void judge(const Segment& segment, unsigned flags, const Extent& fault, Seq read,
           SegmentScan::Step end) {
  using Step = SegmentScan::Step;
  const bool is_untouched = fault.begin == fault.end;
  if (is_untouched) {
    check(read == segment.last_seq() && end == Step::kEnd, "a right segment is read to its end");
  }
  const bool is_same_boot = (flags & kSameBootFlag) != 0;
  const bool is_disk = segment.identity.durability == Durability::kDisk;
  if (segment.identity.kind == SegmentKind::kMapped) {
    if (read == segment.last_seq()) return;
    check(end == (is_same_boot ? Step::kDamaged : Step::kTorn), "a published record is missed");
    return;
  }
  Seq known_safe = 0;    // by the headers that certainly survived
  Seq perhaps_safe = 0;  // by any
  for (const Segment::Batch& batch : segment.batches) {
    perhaps_safe = std::max(perhaps_safe, batch.durable_up_to);
    if (!fault.touches(batch.at, kBatchHeaderBytes)) {
      known_safe = std::max(known_safe, batch.durable_up_to);
    }
  }
  if (read < known_safe && (is_disk || is_same_boot)) {
    check(end == Step::kDamaged, "what was safe is never cut in silence");
  }
  if (read >= perhaps_safe && is_disk) {
    check(end != Step::kDamaged, "what was never safe may be torn");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  constexpr std::size_t kPrefix = 5;
  if (size <= kPrefix || size > kPrefix + 400) return 0;
  const unsigned flags = data[0];
  const std::string_view commands(reinterpret_cast<const char*>(data) + kPrefix, size - kPrefix);
  Segment segment = build(flags, commands);
  const std::size_t position = data[1] + 256U * data[2];
  const Extent fault = put_fault(segment, flags, position, data[3], data[4]);

  SegmentScan scan(segment.file, segment.identity, kFirstSeq, (flags & kSameBootFlag) != 0);
  Seq read = kFirstSeq - 1;
  SegmentScan::Step step = scan.next();
  for (; step == SegmentScan::Step::kRecord; step = scan.next()) {
    ++read;
    check(read <= segment.last_seq(), "no more records than were written");
    check(scan.frame().seq == read && scan.frame().type == kType &&
              scan.frame().payload == segment.payloads[read - kFirstSeq],
          "every record read is the one written");
  }
  if (step != SegmentScan::Step::kEnd) check(!scan.reason().empty(), "a bad end has a reason");
  judge(segment, flags, fault, read, step);
  return 0;
}
