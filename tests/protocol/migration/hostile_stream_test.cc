// Streams nobody should believe.
#include <gtest/gtest.h>

#include <array>
#include <optional>

#include "tests/protocol/bytes.hh"
#include "tests/protocol/migration/samples.hh"

namespace vxs::protocol::migration::test {
namespace {

class StreamOf {
 public:
  explicit StreamOf(Version version = Version::k2) : writer_(bytes_, version, ByteOrder::kLittle) {}

  StreamOf& record(std::uint32_t type, std::string_view body) {
    return raw_record(type, static_cast<std::uint32_t>(body.size()), body);
  }
  StreamOf& raw_record(std::uint32_t type, std::uint32_t length, std::string_view body) {
    for (const std::uint32_t number : {type, length}) {
      const auto number_in_bytes = number_bytes(number, ByteOrder::kLittle);
      bytes_.append(number_in_bytes.data(), number_in_bytes.size());
    }
    bytes_.append(body);
    bytes_.resize((bytes_.size() + 7) & ~std::size_t{7});
    return *this;
  }
  [[nodiscard]] std::string end() {
    EXPECT_TRUE(writer_.put(End{}));
    return bytes_;
  }

 private:
  std::string bytes_;
  StreamWriter writer_;
};

/// What is wrong with a stream of this one record.
StreamError error_of(std::uint32_t type, std::string_view body) {
  const auto whole = each_record(StreamOf().record(type, body).end(), [](const Record&) {});
  EXPECT_FALSE(whole);
  return whole ? StreamError{} : whole.error();
}
Fault fault_of(std::uint32_t type, std::string_view body) { return error_of(type, body).fault; }

TEST(HostileStream, H8_AnErrorSaysRecordAndOffset) {
  std::string stream = golden_bytes("version-1.hex");
  const std::size_t at = stream.find(std::string("r\1\6\0", 4));
  ASSERT_NE(at, std::string::npos);
  stream[at] = 'x';
  const auto whole = each_record(stream, [](const Record&) {});
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().fault, Fault::kPermission);
  EXPECT_EQ(whole.error().record, 9U);
  EXPECT_EQ(whole.error().type, static_cast<std::uint32_t>(RecordType::kNode));
  EXPECT_EQ(whole.error().offset, at + 4);
  EXPECT_EQ(describe(whole.error()),
            "record 9 (NODE_DATA), byte " + std::to_string(at + 4) + ": this is no permission");
}

TEST(HostileStream, H8_EveryCutIsNoticed) {
  for (const char* name : {"version-1.hex", "version-2.hex", "version-2-big.hex"}) {
    const std::string stream = golden_bytes(name);
    for (std::size_t size = 0; size < stream.size(); ++size) {
      const auto whole =
          each_record(std::string_view(stream).substr(0, size), [](const Record&) {});
      ASSERT_FALSE(whole) << name << " " << size;
      EXPECT_EQ(whole.error().fault, Fault::kCut) << name << " " << size;
      EXPECT_EQ(whole.error().offset, size) << name;
    }
  }
}

// Under a sanitizer this is the test of bounds; here, that nothing is read where nothing is.
TEST(HostileStream, H8_EveryByteMayBeAnyOther) {
  for (const char* name : {"version-1.hex", "version-2.hex", "xenstored-4.17.bin"}) {
    const std::string stream = golden_bytes(name);
    for (std::size_t at = 0; at < stream.size(); ++at) {
      for (const int change : {0x01, 0x80, 0xff}) {
        std::string changed = stream;
        changed[at] = static_cast<char>(changed[at] ^ change);
        std::size_t records = 0;
        const auto whole = each_record(changed, [&](const Record&) { ++records; });
        EXPECT_LE(records, stream.size() / kRecordHeaderBytes);
        EXPECT_TRUE(whole || whole.error().offset <= changed.size());
      }
    }
  }
}

TEST(HostileStream, H8_TheHeaderIsLookedAt) {
  const std::string good = StreamOf().end();
  const auto fault = [&](std::size_t at, char value) {
    std::string stream = good;
    stream[at] = value;
    const auto reader = StreamReader::open(stream);
    return reader ? std::optional<Fault>() : reader.error().fault;
  };
  EXPECT_EQ(fault(0, 'X'), Fault::kNotAStream);
  EXPECT_EQ(fault(7, 'X'), Fault::kNotAStream);
  EXPECT_EQ(fault(11, 0), Fault::kVersion);
  EXPECT_EQ(fault(11, 3), Fault::kVersion);
  EXPECT_EQ(fault(8, 2), Fault::kVersion);
  EXPECT_EQ(fault(12, 1), Fault::kFlags);
  EXPECT_EQ(fault(15, 2), Fault::kFlags);
  EXPECT_EQ(fault(15, 3), Fault::kFlags);
  EXPECT_EQ(fault(15, 1), std::nullopt);
}

TEST(HostileStream, H8_LengthsAreHeldAgainstTheRecord) {
  EXPECT_EQ(fault_of(1, bytes("1234567")), Fault::kShort);
  EXPECT_EQ(fault_of(1, bytes("1234567812345678")), Fault::kLong);
  EXPECT_EQ(fault_of(3, bytes("\1\0\0\0\x03\0\x20\0/a\0t\0\0\0\0")), Fault::kShort);
  EXPECT_EQ(fault_of(5, bytes("\0\0\0\0\0\0\0\0\2\0\xff\xff\0\0\1\0n\0\0\0/\0\0\0")),
            Fault::kShort);
  EXPECT_EQ(fault_of(5, bytes("\0\0\0\0\0\0\0\0\2\0\0\0\0\0\xff\xffn\0\0\0/\0\0\0")),
            Fault::kShort);
  EXPECT_EQ(fault_of(6, bytes("\xff\xff\xff\xff\0\0\0\0")), Fault::kShort);
  EXPECT_EQ(fault_of(7, bytes("\1\0\1\0\0\0\0\0\5\0\0\0nodes!!!")), Fault::kShort);
  EXPECT_EQ(fault_of(0, bytes("12345678")), Fault::kLong);
  StreamOf too_long;
  const auto whole =
      each_record(too_long.raw_record(5, kMaxBodyBytes + 1, "").end(), [](const Record&) {});
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().fault, Fault::kTooLong);
}

TEST(HostileStream, H8_NothingFollowsTheEnd) {
  std::string stream = golden_bytes("version-1.hex");
  const std::size_t size = stream.size();
  stream += std::string(8, '\0');
  const auto whole = each_record(stream, [](const Record&) {});
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().fault, Fault::kTrailing);
  EXPECT_EQ(whole.error().offset, size);
}

TEST(HostileStream, H9_ImpossibleConnectionsAreRefused) {
  const auto connection = [](std::string_view front, std::string_view lengths) {
    std::string body(front);
    body += bytes("\5\0\xf4\x7f\1\0\0\0");
    body += lengths;
    return body + "12345678";
  };
  const std::string_view fine = bytes("\1\0\0\0\4\0\0\0");
  EXPECT_EQ(fault_of(2, connection(bytes("\0\0\0\0\0\0\0\0"), fine)), Fault::kConnection);
  EXPECT_EQ(fault_of(2, connection(bytes("\1\0\0\0\2\0\0\0"), fine)), Fault::kConnection);
  EXPECT_EQ(fault_of(2, connection(bytes("\1\0\0\0\0\0\2\0"), fine)), Fault::kConnection);
  EXPECT_EQ(fault_of(2, connection(bytes("\1\0\0\0\0\0\0\0"), bytes("\0\0\5\0\4\0\0\0"))),
            Fault::kConnection);
  EXPECT_EQ(fault_of(2, connection(bytes("\1\0\0\0\0\0\0\0"), bytes("\1\0\0\0\xff\xff\xff\xff"))),
            Fault::kShort);
  EXPECT_EQ(fault_of(2, connection(bytes("\1\0\0\0\0\0\1\0"), fine)), Fault::kShort);
}

TEST(HostileStream, H10_PathsAreJudgedByTheirGrammar) {
  const auto node = [](std::string_view path_with_nul) {
    std::string body(8, '\0');
    body += static_cast<char>(path_with_nul.size());
    body += bytes("\0\0\0\0\0\1\0n\0\0\0");
    body += path_with_nul;
    return body;
  };
  for (const std::string_view bad :
       {bytes("a\0"), bytes("/a/\0"), bytes("//\0"), bytes("/a"), bytes("/\0a\0"), bytes("\0"),
        bytes("/a b\0"), bytes("/a\x80\0"), bytes("")}) {
    EXPECT_EQ(fault_of(5, node(bad)), Fault::kPath) << bad;
  }
  EXPECT_TRUE(each_record(StreamOf().record(5, node(bytes("/a\0"))).end(), [](const Record&) {}));
  std::string long_path = "/" + std::string(kMaxStreamPath, 'x');
  std::string out;
  StreamWriter writer(out, Version::k1);
  const std::array perms{NodePerm{}};
  ASSERT_TRUE(writer.put(Node{.perms = perms, .path = long_path}));
  ASSERT_TRUE(writer.put(End{}));
  EXPECT_FALSE(each_record(out, [](const Record&) {}));
  long_path.pop_back();
  out.clear();
  StreamWriter good(out, Version::k1);
  ASSERT_TRUE(good.put(Node{.perms = perms, .path = long_path}));
  ASSERT_TRUE(good.put(End{}));
  EXPECT_TRUE(each_record(out, [](const Record&) {}));
}

TEST(HostileStream, H10_PermissionsAreLettersThatMeanSomething) {
  const std::string_view head = bytes("\0\0\0\0\0\0\0\0\2\0\0\0\0\0");
  EXPECT_EQ(fault_of(5, std::string(head) + std::string(bytes("\1\0x\0\0\0/\0"))),
            Fault::kPermission);
  EXPECT_EQ(fault_of(5, std::string(head) + std::string(bytes("\0\0/\0"))), Fault::kPermission);
  // A node that a transaction removed has none.
  const std::string_view removed = bytes("\1\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0/\0");
  EXPECT_TRUE(each_record(StreamOf().record(5, removed).end(), [](const Record&) {}));
}

TEST(HostileStream, H10_AQuotaHasAName) {
  EXPECT_EQ(fault_of(7, bytes("\1\0\1\0\0\0\0\0\5\0\0\0\0\0\0\0")), Fault::kQuota);
}

TEST(HostileStream, H8_RecordsOfReservedTypesArePassedOver) {
  const std::string stream =
      StreamOf().record(9, "12345678901234567890").record(0xffffffff, "").end();
  EXPECT_EQ(describe_stream(stream), "UNKNOWN type=9\nUNKNOWN type=4294967295\nEND\n");
}

TEST(HostileStream, H8_AnErrorStays) {
  const std::string stream = StreamOf().record(1, "").end();
  auto reader = StreamReader::open(stream);
  ASSERT_TRUE(reader);
  const auto first = reader->next();
  ASSERT_FALSE(first);
  EXPECT_EQ(reader->next().error(), first.error());
}

TEST(HostileStream, H8_WhatNoRecordHoldsIsNotWritten) {
  std::string out;
  StreamWriter writer(out, Version::k2);
  const std::size_t before = out.size();
  const std::string huge(65536, 'x');
  const std::array perms{NodePerm{}};
  const std::array nameless{QuotaValue{}};
  EXPECT_FALSE(writer.put(Connection{.id = 0}));
  EXPECT_FALSE(writer.put(Connection{.id = 1, .input = huge}));
  EXPECT_FALSE(writer.put(Connection{.id = 1, .output = "x", .partial = 2}));
  EXPECT_FALSE(writer.put(Watch{.connection = 1, .path = "/a", .token = bytes("a\0b")}));
  EXPECT_FALSE(writer.put(Watch{.connection = 1, .path = huge, .token = "t"}));
  EXPECT_FALSE(writer.put(Watch{.connection = 1, .path = "", .token = "t"}));
  EXPECT_FALSE(writer.put(Node{.perms = perms, .path = "/a", .value = huge}));
  EXPECT_FALSE(writer.put(Node{.perms = {}, .path = "/a"}));
  EXPECT_FALSE(writer.put(Domain{.domid = 1, .quotas = nameless}));
  EXPECT_FALSE(writer.put(Unknown{.type = 9}));
  EXPECT_EQ(out.size(), before);
}

}  // namespace
}  // namespace vxs::protocol::migration::test
