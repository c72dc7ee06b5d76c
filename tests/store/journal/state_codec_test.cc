#include <gtest/gtest.h>

#include <random>

#include "record.pb.h"
#include "store/journal/record_codec.hh"
#include "tests/store/state_changes.hh"

namespace vxs::store::test {
namespace {

constexpr int kRounds = 3000;

std::string encode(const Record& record) {
  RecordEncoder encoder;
  std::size_t size = 0;
  EXPECT_TRUE(encoder.measure(record, size));
  std::string out(size + 8, '\x5a');
  encoder.write(record, out.data());
  EXPECT_EQ(out.substr(size), std::string(8, '\x5a')) << "wrote beyond what it measured";
  out.resize(size);
  return out;
}

RequestId random_request(std::mt19937_64& random) {
  if (random() % 3 == 0) return {};
  return {random() % 1000, random() % 2 == 0 ? random() : random() % 100};
}

std::uint16_t type_of(const Record& record) {
  return static_cast<std::uint16_t>(RecordEncoder::type_of(record));
}

/// Parses with the generated parser, compares the time, serializes again: the bytes have to be
/// those of the encoder, which proves every field's number, type and presence.
template <typename Message>
void expect_canonical(Message& message, const StateRecord& record, const std::string& bytes) {
  ASSERT_TRUE(message.ParseFromString(bytes));
  EXPECT_EQ(message.time_us(), record.time_us);
  EXPECT_EQ(message.by_connection(), record.request.connection);
  EXPECT_EQ(message.by_ordinal(), record.request.ordinal);
  EXPECT_EQ(message.SerializeAsString(), bytes);
}

/// Holds the fields of the generated message against the change.
struct SameInProtobuf {
  const StateRecord& record;
  const std::string& bytes;
  std::uint16_t type;

  void operator()(const WatchAdded& change) const {
    pb::WatchAdded m;
    expect_canonical(m, record, bytes);
    EXPECT_EQ(type, pb::RECORD_TYPE_WATCH_ADDED);
    EXPECT_EQ(m.connection(), change.connection);
    EXPECT_EQ(m.path(), change.path);
    EXPECT_EQ(m.token(), change.token);
    EXPECT_EQ(m.has_depth(), change.depth.has_value());
    EXPECT_EQ(m.depth(), change.depth.value_or(0));
    EXPECT_EQ(m.relative(), change.relative);
  }
  void operator()(const WatchRemoved& change) const {
    pb::WatchRemoved m;
    expect_canonical(m, record, bytes);
    EXPECT_EQ(type, pb::RECORD_TYPE_WATCH_REMOVED);
    EXPECT_EQ(m.connection(), change.connection);
    EXPECT_EQ(m.path(), change.path);
    EXPECT_EQ(m.token(), change.token);
  }
  void operator()(const ConnectionReset& change) const {
    pb::ConnectionReset m;
    expect_canonical(m, record, bytes);
    EXPECT_EQ(type, pb::RECORD_TYPE_CONNECTION_RESET);
    EXPECT_EQ(m.connection(), change.connection);
    EXPECT_EQ(m.frozen(), change.frozen);
  }
  void operator()(const DomainKnown& change) const {
    pb::DomainKnown m;
    expect_canonical(m, record, bytes);
    EXPECT_EQ(type, pb::RECORD_TYPE_DOMAIN_KNOWN);
    EXPECT_EQ(m.domid(), change.domid);
    EXPECT_EQ(m.incarnation(), change.incarnation);
    const std::string handle(change.handle.begin(), change.handle.end());
    EXPECT_EQ(m.handle(), handle == std::string(16, '\0') ? "" : handle);
    EXPECT_EQ(m.unique_id(), change.unique_id);
  }
  void operator()(const DomainIntroduced& change) const {
    pb::DomainIntroduced m;
    expect_canonical(m, record, bytes);
    EXPECT_EQ(type, pb::RECORD_TYPE_DOMAIN_INTRODUCED);
    EXPECT_EQ(m.domid(), change.domid);
    EXPECT_EQ(m.incarnation(), change.incarnation);
    EXPECT_EQ(m.connection(), change.connection);
    EXPECT_EQ(m.gfn(), change.gfn);
    EXPECT_EQ(m.remote_port(), change.remote_port);
  }
  void operator()(const DomainGone& change) const {
    pb::DomainGone m;
    expect_canonical(m, record, bytes);
    EXPECT_EQ(type, pb::RECORD_TYPE_DOMAIN_GONE);
    EXPECT_EQ(m.domid(), change.domid);
  }
  void operator()(const DomainShutdown& change) const {
    pb::DomainShutdown m;
    expect_canonical(m, record, bytes);
    EXPECT_EQ(type, pb::RECORD_TYPE_DOMAIN_SHUTDOWN);
    EXPECT_EQ(m.domid(), change.domid);
    EXPECT_EQ(m.seen(), change.seen);
  }
  void operator()(const DomainTarget& change) const {
    pb::DomainTarget m;
    expect_canonical(m, record, bytes);
    EXPECT_EQ(type, pb::RECORD_TYPE_DOMAIN_TARGET);
    EXPECT_EQ(m.domid(), change.domid);
    EXPECT_EQ(m.target(), change.target);
  }
  void operator()(const DomainFeatures& change) const {
    pb::DomainFeatures m;
    expect_canonical(m, record, bytes);
    EXPECT_EQ(type, pb::RECORD_TYPE_DOMAIN_FEATURES);
    EXPECT_EQ(m.domid(), change.domid);
    EXPECT_EQ(m.features(), change.features);
  }
  void operator()(const QuotaSet& change) const {
    pb::QuotaSet m;
    expect_canonical(m, record, bytes);
    EXPECT_EQ(type, pb::RECORD_TYPE_QUOTA_SET);
    EXPECT_EQ(m.has_domid(), change.domid.has_value());
    EXPECT_EQ(m.domid(), change.domid.value_or(0));
    EXPECT_EQ(m.name(), change.name);
    EXPECT_EQ(m.value(), change.value);
  }
};

TEST(StateCodec, TheGeneratedParserReadsEveryChangeBackEqual) {
  std::mt19937_64 random(1);
  OwnedStateChange made;
  for (int round = 0; round < kRounds; ++round) {
    make_any_change(random, made);
    const StateRecord record{5, static_cast<std::int64_t>(random()), made.change,
                             random_request(random)};
    const std::string bytes = encode(record);
    std::visit(SameInProtobuf{record, bytes, type_of(record)}, made.change);
    if (HasFailure()) break;
  }
}

TEST(StateCodec, TheDecoderReadsEveryChangeBackEqual) {
  std::mt19937_64 random(2);
  PermTable table;
  RecordDecoder decoder(table);
  OwnedStateChange made;
  for (int round = 0; round < kRounds; ++round) {
    make_any_change(random, made);
    const StateRecord record{77, static_cast<std::int64_t>(random()), made.change,
                             random_request(random)};
    const std::string bytes = encode(record);
    const auto decoded = decoder.decode(77, type_of(record), bytes);
    ASSERT_TRUE(decoded.has_value()) << type_of(record);
    const auto& back = std::get<StateRecord>(**decoded);
    EXPECT_EQ(back.seq, 77U);
    EXPECT_EQ(record_seq(**decoded), 77U);
    EXPECT_EQ(back.time_us, record.time_us);
    ASSERT_EQ(back.change, record.change);
    ASSERT_EQ(back.request, record.request);
  }
}

// The golden bytes of docs/journal.md.
TEST(StateCodec, AWatchHasTheseBytes) {
  const StateRecord record{
      9, 1000,
      WatchAdded{.connection = 3, .path = "/a", .token = "t", .depth = 0, .relative = false}};
  EXPECT_EQ(encode(record), std::string("\x08\xd0\x0f\x10\x03\x1a\x02/a\x22\x01t\x28\x00", 14));
  EXPECT_EQ(type_of(record), 10);
}

TEST(StateCodec, TheRequestStandsAfterTheChange) {
  const StateRecord record{9, 0, DomainGone{7}, {3, 300}};
  EXPECT_EQ(encode(record), std::string("\x10\x07\x60\x03\x68\xac\x02"));
  PermTable table;
  RecordDecoder decoder(table);
  const auto old = decoder.decode(9, 32, "\x10\x07");  // as every journal before had it
  ASSERT_TRUE(old.has_value());
  EXPECT_EQ(std::get<StateRecord>(**old).request, RequestId{});
}

TEST(StateCodec, RefusesToEncodeWhatItCouldNotReadBack) {
  RecordEncoder encoder;
  std::size_t size = 0;
  const std::string_view nul("/a\0b", 4);
  EXPECT_FALSE(encoder.measure(StateRecord{1, 0, WatchAdded{.path = ""}}, size));
  EXPECT_FALSE(encoder.measure(StateRecord{1, 0, WatchRemoved{.path = "a"}}, size));
  EXPECT_FALSE(encoder.measure(StateRecord{1, 0, WatchAdded{.path = nul}}, size));
  EXPECT_FALSE(encoder.measure(StateRecord{1, 0, QuotaSet{}}, size));
  EXPECT_TRUE(encoder.measure(StateRecord{1, 0, WatchRemoved{.path = "/"}}, size));
}

TEST(StateCodec, RefusesNumbersThatAreTooLarge) {
  PermTable table;
  RecordDecoder decoder(table);
  const std::string big_domid("\x10\x80\x80\x04", 4);           // field 2: 0x10000
  const std::string big_number("\x18\x80\x80\x80\x80\x10", 6);  // field 3: 1 << 32
  for (const std::uint16_t type : std::initializer_list<std::uint16_t>{30, 31, 32, 33, 34, 41}) {
    EXPECT_FALSE(decoder.decode(1, type, big_domid).has_value()) << type;
  }
  EXPECT_FALSE(decoder.decode(1, 40, big_domid + "\x1a\x01n").has_value());
  EXPECT_FALSE(decoder.decode(1, 41, big_number).has_value());
  EXPECT_FALSE(decoder.decode(1, 34, big_number).has_value());
  EXPECT_FALSE(decoder.decode(1, 30, std::string("\x22\x0f") + std::string(15, 'h')).has_value())
      << "a handle of 15 bytes";
  EXPECT_TRUE(decoder.decode(1, 30, std::string("\x22\x10") + std::string(16, 'h')).has_value());
}

TEST(StateCodec, SurvivesEveryCutAndEveryFlippedByte) {
  std::mt19937_64 random(3);
  PermTable table;
  RecordDecoder decoder(table);
  OwnedStateChange made;
  for (int round = 0; round < 100; ++round) {
    make_any_change(random, made);
    const StateRecord record{1, 5, made.change};
    const std::string bytes = encode(record);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      (void)decoder.decode(1, type_of(record), bytes.substr(0, i));
      std::string flipped = bytes;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << (random() % 8)));
      const auto decoded = decoder.decode(1, type_of(record), flipped);
      if (!decoded) continue;
      const StateRecord back = std::get<StateRecord>(**decoded);
      const std::string again = encode(back);
      const auto twice = decoder.decode(1, type_of(record), again);
      ASSERT_TRUE(twice.has_value());
      ASSERT_EQ(std::get<StateRecord>(**twice).change, back.change);
    }
  }
}

TEST(StateCodec, SkipsUnknownFields) {
  PermTable table;
  RecordDecoder decoder(table);
  const auto decoded = decoder.decode(1, 32, std::string("\x10\x07\x78\x01\x72\x02zz", 8));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(std::get<StateRecord>(**decoded).change, StateChange{DomainGone{7}});
}

}  // namespace
}  // namespace vxs::store::test
