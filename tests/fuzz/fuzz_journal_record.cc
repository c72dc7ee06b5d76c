// Input: a record type, a byte to flip, then the record's payload.
#include <algorithm>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "store/journal/format.hh"
#include "store/journal/record_codec.hh"
#include "tests/fuzz/check.hh"
#include "tests/fuzz/small_tree.hh"

namespace {

using vxs::fuzz::check;
using namespace vxs::store;

constexpr vxs::Seq kSeq = 42;
constexpr std::uint32_t kSeed = 0x1234;

bool same(const Origin& a, const Origin& b) {
  return a.domid == b.domid && a.incarnation == b.incarnation && a.connection == b.connection &&
         a.pid == b.pid && a.uid == b.uid && a.command == b.command && a.ordinal == b.ordinal;
}

/// Equal in what the kind of change uses.
bool same(const Change& a, const Change& b) {
  if (a.kind != b.kind || a.path != b.path) return false;
  const bool has_value = a.kind == ChangeKind::kCreate || a.kind == ChangeKind::kWrite;
  const bool has_perms = a.kind == ChangeKind::kCreate || a.kind == ChangeKind::kSetPerms;
  return (!has_value || a.value == b.value) && (!has_perms || a.perms == b.perms) &&
         (a.kind != ChangeKind::kCreate || a.implicit == b.implicit);
}

bool same(std::span<const Change> a, std::span<const Change> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Change& x, const Change& y) { return same(x, y); });
}

bool same(const CommitRecord& a, const CommitRecord& b) {
  return a.seq == b.seq && a.time_us == b.time_us && same(a.origin, b.origin) && a.kind == b.kind &&
         a.tx_id == b.tx_id && a.base_seq == b.base_seq && same(a.changes, b.changes) &&
         a.note == b.note;
}

bool same(const ConflictRecord& a, const ConflictRecord& b) {
  return a.seq == b.seq && a.time_us == b.time_us && same(a.origin, b.origin) &&
         a.tx_id == b.tx_id && a.base_seq == b.base_seq && same(a.changes, b.changes) &&
         a.path == b.path && a.blocking_seq == b.blocking_seq &&
         a.blocking_domid == b.blocking_domid && a.request == b.request;
}

bool same(const StartRecord& a, const StartRecord& b) {
  return a.seq == b.seq && a.time_us == b.time_us && a.boot_id == b.boot_id &&
         a.incarnation == b.incarnation && a.version == b.version && a.history == b.history;
}

bool same(const StateRecord& a, const StateRecord& b) {
  return a.seq == b.seq && a.time_us == b.time_us && a.change == b.change && a.request == b.request;
}

bool is_known(std::uint16_t type) {
  return (type >= 1 && type <= 3) || (type >= 10 && type <= 12) || (type >= 30 && type <= 34) ||
         type == 40 || type == 41;
}

bool same(const Record& a, const Record& b) {
  if (a.index() != b.index()) return false;
  return std::visit(
      [&b](const auto& record) {
        return same(record, std::get<std::decay_t<decltype(record)>>(b));
      },
      a);
}

std::string encode(const Record& record) {
  RecordEncoder encoder;
  std::size_t size = 0;
  check(encoder.measure(record, size), "what was decoded can be encoded");
  std::vector<char> exact(size);  // so that one byte too many is seen
  encoder.write(record, exact.data());
  return {exact.data(), size};
}

/// A frame around the payload parses to the same; one changed byte is noticed.
void check_frame(std::uint16_t type, std::string_view payload, unsigned flip) {
  std::string frame(frame_bytes(payload.size()), 'x');
  payload.copy(frame.data() + kFrameHeaderBytes, payload.size());
  put_frame_header(frame.data(), kSeq, type, kFrameMaySkip, payload.size());
  seal_frame(frame.data(), kSeed);
  const auto parsed = parse_frame(frame, kSeed);
  check(parsed && parsed->seq == kSeq && parsed->type == type && parsed->payload == payload &&
            parsed->flags == kFrameMaySkip && parsed->bytes == frame.size(),
        "a frame parses to what was put");
  check(!parse_frame(std::string_view(frame).substr(0, frame.size() - 1), kSeed),
        "a cut frame is no frame");
  check(!parse_frame(frame, kSeed + 1), "another segment's frame is no frame");
  const std::size_t at = flip % (kFrameHeaderBytes + payload.size());
  frame[at] = static_cast<char>(frame[at] ^ 0x10);
  check(!parse_frame(frame, kSeed), "a changed byte is noticed");
}

/// As recovery does it; an older snapshot must not notice.
void apply_to_tree(const CommitRecord& commit, vxs::fuzz::SmallTree& small) {
  const Tree before = small.tree;
  const std::uint64_t hash = before.state_hash();
  for (const Change& change : commit.changes) {
    const std::uint64_t last = small.tree.state_hash();
    if (!small.tree.apply(change, commit.seq)) {
      check(small.tree.state_hash() == last, "a refused change changes nothing");
    }
  }
  vxs::fuzz::check_tree(small.tree);
  check(before.state_hash() == hash, "a snapshot does not change");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size < 2) return 0;
  const auto type = static_cast<std::uint16_t>(data[0] % 64);
  const std::string payload(reinterpret_cast<const char*>(data) + 2, size - 2);
  (void)parse_frame(payload, kSeed);
  (void)parse_batch_header(payload, kSeed);
  check_frame(type, payload, data[1]);

  vxs::fuzz::SmallTree small;
  RecordDecoder decoder(small.perms);
  const auto record = decoder.decode(kSeq, type, payload);
  if (!record) {
    check(is_known(type) == (record.error() == RecordDecoder::Failure::kMalformed),
          "the failure fits");
    return 0;
  }
  check(is_known(type), "an unknown type is none");
  check(record_seq(**record) == kSeq, "the record has its frame's Seq");
  check(static_cast<std::uint16_t>(RecordEncoder::type_of(**record)) == type, "the type is kept");
  const std::string encoded = encode(**record);
  RecordDecoder other(small.perms);
  const auto again = other.decode(kSeq, type, encoded);
  check(again.has_value() && same(**record, **again), "a record survives encoding");
  check(encode(**again) == encoded, "the encoding is canonical");
  if (const auto* commit = std::get_if<CommitRecord>(*record)) apply_to_tree(*commit, small);
  return 0;
}
