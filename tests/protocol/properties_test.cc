#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "protocol/arguments.hh"
#include "protocol/escape.hh"
#include "protocol/path.hh"
#include "protocol/permissions.hh"
#include "protocol/wire.hh"
#include "tests/protocol/plain_path_rules.hh"

namespace vxs::protocol {
namespace {

struct OwnedFrame {
  Header header;
  std::string payload;
  friend bool operator==(const OwnedFrame&, const OwnedFrame&) = default;
};

rc::Gen<std::string> any_bytes(int max) {
  return rc::gen::mapcat(rc::gen::inRange(0, max + 1), [](int size) {
    return rc::gen::container<std::string>(static_cast<std::size_t>(size),
                                           rc::gen::arbitrary<char>());
  });
}

/// Text that is often a valid path, and often nearly one.
rc::Gen<std::string> pathlike() {
  const auto piece = rc::gen::weightedOneOf<std::string>(
      {{40,
        rc::gen::element<std::string>("/a", "/local/domain/5", "/local/domain/123456", "/b-_@")},
       {4, rc::gen::element<std::string>("a", "@x", "0", "/")},
       {1, rc::gen::element<std::string>("//", ".", " ", std::string(1, '\0'), "+", "\xff")},
       {1, rc::gen::just(std::string(1000, 'x'))}});
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(piece),
                      [](const std::vector<std::string>& pieces) {
                        std::string all;
                        for (const std::string& one : pieces) all += one;
                        return all;
                      });
}

rc::Gen<PathContext> any_context() {
  return rc::gen::map(rc::gen::tuple(rc::gen::arbitrary<DomId>(), rc::gen::arbitrary<bool>(),
                                     rc::gen::arbitrary<bool>()),
                      [](const auto& fields) {
                        return PathContext{.base_domid = std::get<0>(fields),
                                           .is_privileged = std::get<1>(fields),
                                           .allow_special = std::get<2>(fields)};
                      });
}

/// Decodes a stream that arrives in pieces of the sizes given, as a connection
/// does: append, take whole frames, keep the rest.
std::vector<OwnedFrame> decode_in_pieces(std::string_view stream, std::vector<std::size_t> sizes) {
  std::vector<OwnedFrame> frames;
  std::string buffered;
  sizes.push_back(stream.size());
  for (const std::size_t size : sizes) {
    buffered.append(stream.substr(0, size));
    stream.remove_prefix(std::min(size, stream.size()));
    for (auto frame = decode_frame(buffered); frame.status == DecodeStatus::kFrame;
         frame = decode_frame(buffered)) {
      frames.push_back({frame.header, std::string(frame.payload)});
      buffered.erase(0, frame.consumed);
    }
  }
  RC_ASSERT(buffered.empty());
  return frames;
}

RC_GTEST_PROP(WireProperty, A5_DecodeOfEncodeIsTheSame, ()) {
  const auto type = *rc::gen::inRange<std::uint32_t>(0, kMessageTypeEnd);
  const auto req_id = *rc::gen::arbitrary<std::uint32_t>();
  const auto tx_id = *rc::gen::arbitrary<std::uint32_t>();
  const std::string payload = *any_bytes(kMaxPayload);
  std::string out;
  RC_ASSERT(append_frame(out, static_cast<MessageType>(type), req_id, tx_id, payload));
  const DecodeResult frame = decode_frame(out);
  RC_ASSERT(frame.status == DecodeStatus::kFrame);
  RC_ASSERT(frame.header == (Header{.type = type,
                                    .req_id = req_id,
                                    .tx_id = tx_id,
                                    .len = static_cast<std::uint32_t>(payload.size())}));
  RC_ASSERT(frame.payload == payload);
  RC_ASSERT(frame.consumed == out.size());
}

RC_GTEST_PROP(WireProperty, A10_FragmentsDecodeAsTheWhole, ()) {
  std::string stream;
  std::vector<OwnedFrame> sent;
  const auto payloads = *rc::gen::container<std::vector<std::string>>(any_bytes(40));
  for (const std::string& payload : payloads) {
    const auto id = static_cast<std::uint32_t>(sent.size());
    RC_ASSERT(append_frame(stream, MessageType::kWrite, id, id + 1, payload));
    sent.push_back({{.type = 11,
                     .req_id = id,
                     .tx_id = id + 1,
                     .len = static_cast<std::uint32_t>(payload.size())},
                    payload});
  }
  const auto sizes =
      *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(0, 30));
  RC_ASSERT(decode_in_pieces(stream, sizes) == sent);
  RC_ASSERT(decode_in_pieces(stream, {}) == sent);
}

RC_GTEST_PROP(EscapeProperty, UnescapeOfEscapeIsTheSame, ()) {
  const std::string raw = *any_bytes(200);
  const std::string shown = escaped(raw);
  for (const char c : shown) RC_ASSERT(c >= ' ' && c <= '~');
  RC_ASSERT(unescape(shown) == raw);
}

RC_GTEST_PROP(PathProperty, C4_CanonicalPathsAreFixedPoints, ()) {
  const std::string raw = *pathlike();
  const PathContext context = *any_context();
  std::string scratch;
  const auto once = canonicalize_path(raw, context, scratch);
  RC_CLASSIFY(once.has_value());
  if (!once) {
    RC_ASSERT(once.error() == Error::kInval);
    return;
  }
  const std::string first(*once);
  RC_ASSERT(canonicalize_path(first, context, scratch).value() == first);
}

RC_GTEST_PROP(PathProperty, C2_ComponentsJoinedAreThePathAndParentsEndAtTheRoot, ()) {
  const std::string raw = *pathlike();
  std::string scratch;
  const auto path = canonicalize_path(raw, {.is_privileged = true, .allow_special = true}, scratch);
  RC_CLASSIFY(path.has_value());
  if (!path) return;
  std::string joined;
  std::size_t count = 0;
  for (const std::string_view name : PathComponents(*path)) {
    RC_ASSERT(!name.empty());
    if (!is_special(*path) || count > 0) joined += '/';
    joined += name;
    ++count;
  }
  RC_ASSERT((joined.empty() ? "/" : joined) == *path);
  std::size_t steps = 0;
  for (std::string_view at = *path; at != "/"; at = parent_path(at)) ++steps;
  RC_ASSERT(steps == count);
}

RC_GTEST_PROP(PathProperty, C5_AgreesWithThePlainRules, ()) {
  const std::string raw = *pathlike();
  const PathContext context = *any_context();
  std::string scratch;
  RC_ASSERT(canonicalize_path(raw, context, scratch).has_value() == is_valid_plainly(raw, context));
}

RC_GTEST_PROP(PermissionsProperty, B8_3_ParseOfPrintIsTheSame, ()) {
  const auto numbers = *rc::gen::nonEmpty(rc::gen::arbitrary<std::vector<DomId>>());
  std::vector<PermEntry> entries;
  for (const DomId domid : numbers) {
    entries.push_back({.domid = domid, .access = static_cast<Access>(domid % 4), .incarnation = 0});
  }
  RC_PRE(entries.front().domid != kDomIdAny);
  std::string text;
  append_perm_entries(entries, text);
  RC_ASSERT(parse_perm_entries(text) == entries);
}

RC_GTEST_PROP(ArgumentsProperty, B0_7_StringsJoinedAreThePayload, ()) {
  const std::string payload =
      *rc::gen::container<std::string>(rc::gen::element('\0', 'a', '/', '\xff'));
  const auto strings = split_strings<4>(payload);
  RC_ASSERT(strings.count == count_strings(payload));
  std::string joined;
  for (std::size_t i = 0; i < std::min<std::size_t>(strings.count, 4); ++i) {
    joined.append(strings.at[i]).push_back('\0');
  }
  RC_ASSERT(payload.starts_with(joined));
  RC_ASSERT(one_argument(payload).has_value() == (strings.count == 1 && payload.back() == '\0'));
}

RC_GTEST_PROP(ArgumentsProperty, B14_DecimalReadsWhatToStringWrites, ()) {
  const auto value = *rc::gen::arbitrary<std::uint64_t>();
  const std::string text = std::to_string(value);
  RC_ASSERT(parse_decimal(text, ~std::uint64_t{0}) == value);
  RC_ASSERT(parse_decimal(text, value) == value);
  if (value > 0) RC_ASSERT(!parse_decimal(text, value - 1).has_value());
  const auto small = *rc::gen::arbitrary<std::int64_t>();
  RC_ASSERT(parse_lenient(std::to_string(small)) == small);
}

}  // namespace
}  // namespace vxs::protocol
