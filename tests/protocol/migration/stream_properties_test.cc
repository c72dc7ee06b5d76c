// Any records, written and read again.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <deque>

#include "protocol/migration/watch_layout.hh"
#include "tests/protocol/migration/samples.hh"

namespace vxs::protocol::migration::test {
namespace {

/// Random records; their strings and lists live as long as this.
class Records {
 public:
  explicit Records(Version version) : version_(version) {}

  Record any() {
    switch (*rc::gen::inRange(0, 8)) {
      case 0:
        return Global{.socket_fd = *rc::gen::arbitrary<std::int32_t>(),
                      .event_fd = *rc::gen::arbitrary<std::int32_t>()};
      case 1:
        return connection();
      case 2:
      case 3:
        return watch();
      case 4:
        return Transaction{.connection = 1 + *rc::gen::inRange<std::uint32_t>(0, 1000),
                           .id = *rc::gen::arbitrary<std::uint32_t>()};
      case 5:
        return node();
      case 6:
        return GlobalQuota{.domain = quotas(), .global = quotas()};
      default: {
        Domain domain{.domid = *rc::gen::arbitrary<DomId>(), .quotas = quotas()};
        if (version_ == Version::k2) domain.features = *rc::gen::arbitrary<std::uint32_t>();
        return domain;
      }
    }
  }

 private:
  std::string_view keep(std::string text) { return texts_.emplace_back(std::move(text)); }
  std::string_view any_bytes(int most) {
    const int size = *rc::gen::inRange(0, most);
    return keep(*rc::gen::container<std::string>(static_cast<std::size_t>(size),
                                                 rc::gen::arbitrary<char>()));
  }
  std::string_view path() {
    std::string path;
    for (int i = *rc::gen::inRange(1, 4); i > 0; --i) {
      path += "/" + *rc::gen::nonEmpty(rc::gen::container<std::string>(
                        rc::gen::element('a', 'Z', '0', '-', '_', '@')));
    }
    return keep(*rc::gen::inRange(0, 5) == 0 ? "/" : path);
  }
  Connection connection() {
    Connection one{.id = 1 + *rc::gen::inRange<std::uint32_t>(0, 1000),
                   .input = any_bytes(50),
                   .output = any_bytes(50)};
    one.partial =
        static_cast<std::uint16_t>(*rc::gen::inRange<std::size_t>(0, one.output.size() + 1));
    if (*rc::gen::arbitrary<bool>()) {
      one.spec = RingSpec{.domid = *rc::gen::arbitrary<DomId>(),
                          .target = *rc::gen::arbitrary<DomId>(),
                          .local_port = *rc::gen::arbitrary<std::uint32_t>()};
    } else {
      one.spec = SocketSpec{.fd = *rc::gen::arbitrary<std::int32_t>()};
    }
    if (*rc::gen::arbitrary<bool>()) one.unique_id = *rc::gen::arbitrary<std::uint64_t>();
    return one;
  }
  Watch watch() {
    Watch one{.connection = 1, .path = path()};
    if (one.path.size() > 1 && *rc::gen::arbitrary<bool>()) one.path.remove_prefix(1);
    one.token = keep(*rc::gen::container<std::string>(rc::gen::nonZero<char>()));
    if (version_ == Version::k2 && *rc::gen::arbitrary<bool>()) {
      one.depth = *rc::gen::inRange<std::uint16_t>(0, kUnlimitedDepth);
    }
    return one;
  }
  Node node() {
    auto& perms = perms_.emplace_back();
    for (int i = *rc::gen::inRange(1, 5); i > 0; --i) {
      perms.push_back({.domid = *rc::gen::arbitrary<DomId>(),
                       .access = static_cast<Access>(*rc::gen::inRange(0, 4)),
                       .stale = *rc::gen::arbitrary<bool>()});
    }
    return Node{.perms = perms, .path = path(), .value = any_bytes(60)};
  }
  std::span<const QuotaValue> quotas() {
    auto& quotas = quotas_.emplace_back();
    for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
      quotas.push_back({.name = keep(*rc::gen::nonEmpty(
                            rc::gen::container<std::string>(rc::gen::nonZero<char>()))),
                        .value = *rc::gen::arbitrary<std::uint32_t>()});
    }
    return quotas;
  }

  Version version_;
  std::deque<std::string> texts_;
  std::deque<std::vector<NodePerm>> perms_;
  std::deque<std::vector<QuotaValue>> quotas_;
};

void check_round_trip(Version version, ByteOrder order) {
  Records source(version);
  Sample sample{version, {}};
  for (int i = *rc::gen::inRange(0, 12); i > 0; --i) sample.records.push_back(source.any());
  sample.records.emplace_back(End{});
  const std::string stream = encode(sample, order);
  RC_ASSERT(stream.size() % 8 == 0);
  std::size_t at = 0;
  const auto whole = each_record(stream, [&](const Record& record) {
    RC_ASSERT(at < sample.records.size());
    RC_ASSERT(record == sample.records[at]);
    ++at;
  });
  RC_ASSERT(whole.has_value());
  RC_ASSERT(at == sample.records.size());
}

RC_GTEST_PROP(StreamProperties, H8_WhatIsWrittenInVersion1IsRead, ()) {
  check_round_trip(Version::k1, kNativeOrder);
}

RC_GTEST_PROP(StreamProperties, H8_WhatIsWrittenInVersion2IsRead, ()) {
  check_round_trip(Version::k2, *rc::gen::element(ByteOrder::kLittle, ByteOrder::kBig));
}

// A caller may hand on and empty the string whenever a record is complete.
RC_GTEST_PROP(StreamProperties, H8_AStreamCanBeTakenAwayInPieces, ()) {
  Records source(Version::k2);
  std::string piece;
  std::string whole;
  std::string taken;
  StreamWriter to_whole(whole, Version::k2);
  StreamWriter to_pieces(piece, Version::k2);
  for (int i = *rc::gen::inRange(0, 12); i > 0; --i) {
    const Record record = source.any();
    RC_ASSERT(to_whole.put(record));
    RC_ASSERT(to_pieces.put(record));
    if (*rc::gen::arbitrary<bool>()) {
      taken += piece;
      piece.clear();
    }
  }
  RC_ASSERT(taken + piece == whole);
}

}  // namespace
}  // namespace vxs::protocol::migration::test
