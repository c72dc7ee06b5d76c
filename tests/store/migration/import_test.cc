#include "store/migration/import_state.hh"

#include <gmock/gmock.h>

#include <array>

#include "store/migration/offline.hh"
#include "tests/store/migration/states.hh"

namespace vxs::store::migration::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::array kOwned{wire::NodePerm{.domid = 0}};
constexpr std::array kOfFive{wire::NodePerm{.domid = 5}};

/// A whole stream of these records.
std::string stream_of(const std::vector<wire::Record>& records,
                      wire::Version version = wire::Version::k2) {
  std::string out;
  wire::StreamWriter writer(out, version);
  for (const auto& record : records) EXPECT_TRUE(writer.put(record));
  EXPECT_TRUE(writer.put(wire::End{}));
  return out;
}
wire::Connection ring(std::uint32_t id, DomId domid) {
  return {.id = id, .spec = wire::RingSpec{.domid = domid, .local_port = 10 + id}};
}
wire::Node node(std::string_view path, std::string_view value = "") {
  return {.perms = kOwned, .path = path, .value = value};
}

std::string complaint_about(const std::vector<wire::Record>& records) {
  State state;
  const auto before = state.tree.state_hash();
  const auto imported = import_from(stream_of(records), state);
  EXPECT_FALSE(imported);
  EXPECT_EQ(state.tree.state_hash(), before);
  if (imported) return "";
  EXPECT_EQ(imported.error().record, records.size());
  return imported.error().message;
}
std::vector<std::string> notes_about(const std::vector<wire::Record>& records) {
  State state;
  const auto imported = import_from(stream_of(records), state);
  EXPECT_TRUE(imported) << imported.error().message;
  return imported ? imported->notes : std::vector<std::string>();
}

TEST(ImportTest, H8_WhatNeedsAnotherRecordComesAfterIt) {
  EXPECT_THAT(complaint_about({ring(1, 5), wire::Watch{.connection = 2, .path = "/a"}}),
              HasSubstr("record 2, byte 48: a watch of connection 2, which is unknown"));
  EXPECT_THAT(complaint_about({node("/a/b")}),
              HasSubstr("the node /a/b is there twice, or before"));
  EXPECT_THAT(complaint_about({wire::Node{.connection = 3, .path = "/a"}}),
              HasSubstr("a node of connection 3, which is unknown"));
}

TEST(ImportTest, H8_NothingIsThereTwice) {
  EXPECT_THAT(complaint_about({wire::Global{}, wire::Global{}}), HasSubstr("second GLOBAL_DATA"));
  EXPECT_THAT(complaint_about({ring(1, 5), ring(1, 6)}), HasSubstr("connection 1 is there twice"));
  EXPECT_THAT(complaint_about({ring(1, 5), ring(2, 5)}), HasSubstr("domain 5 has a second ring"));
  EXPECT_THAT(complaint_about({node("/"), node("/")}), HasSubstr("the node / is there twice"));
  EXPECT_THAT(complaint_about({node("/a"), node("/a")}), HasSubstr("/a is there twice"));
  EXPECT_THAT(complaint_about({wire::Domain{.domid = 5}, wire::Domain{.domid = 5}}),
              HasSubstr("a second record of domain 5"));
}

TEST(ImportTest, H9_ReservedDomidsHaveNoRing) {
  EXPECT_THAT(complaint_about({ring(1, kDomIdSelf)}), HasSubstr("no domain 32752"));
  EXPECT_THAT(complaint_about({wire::Connection{
                  .id = 1, .spec = wire::RingSpec{.domid = 5, .target = 0xffff}}}),
              HasSubstr("no target 65535"));
}

TEST(ImportTest, H8_WhatIsPassedOverIsSaid) {
  EXPECT_THAT(notes_about({ring(1, 5), wire::Transaction{.connection = 1, .id = 7},
                           wire::Node{.connection = 1, .path = "/gone"}}),
              ElementsAre("1 open transactions were passed over: they end"));
  EXPECT_THAT(notes_about({node("@mine")}), ElementsAre("the special node @mine was passed over"));
  EXPECT_THAT(notes_about({ring(1, 5), wire::Watch{.connection = 1, .path = "/a", .token = "t"},
                           wire::Watch{.connection = 1, .path = "/a", .token = "t"}}),
              ElementsAre("connection 1: the watch on /a is there twice; one was taken"));
  EXPECT_THAT(notes_about({wire::Domain{.domid = kDomIdAny}}),
              ElementsAre(HasSubstr("the record of domain 32757 was passed over")));
  EXPECT_THAT(
      notes_about({wire::Connection{.id = 1, .spec = wire::RingSpec{.domid = 5, .target = 6}}}),
      ElementsAre("domain 5: its target, domain 6, is not in the stream"));
}

TEST(ImportTest, H11_ADepthThatTheStockDaemonLostIsAnyDepthAndSaid) {
  // As xenstored 4.22 writes it: 8 bytes, the strings, and 12 counted.
  std::string stream = stream_of({ring(1, 5)});
  stream.resize(stream.size() - wire::kRecordHeaderBytes);
  stream += std::string("\x08\0\0\0\x18\0\0\0\x01\0\0\0\x05\0\x03\0/abc\0to\0", 24);
  wire::StreamWriter writer(stream, wire::Version::k2);
  stream.resize(stream.size() - wire::kStreamHeaderBytes);
  ASSERT_TRUE(writer.put(node("/")));
  ASSERT_TRUE(writer.put(wire::End{}));
  State state;
  const auto imported = import_from(stream, state);
  ASSERT_TRUE(imported) << imported.error().message;
  EXPECT_THAT(imported->notes, ElementsAre("connection 1: the depth of the watch on /abc is "
                                           "missing in the stream; it fires at any depth"));
  const auto& watches = state.system.connections.at(1).watches;
  EXPECT_EQ(watches.at({"/abc", "to"}).depth, std::nullopt);
}

TEST(ImportTest, H10_LivesAreNumberedByTheStreamOrByTheImport) {
  State state;
  const std::array perms{wire::NodePerm{.domid = 5}, wire::NodePerm{.domid = 6},
                         wire::NodePerm{.domid = 7, .stale = true},
                         wire::NodePerm{.domid = kDomIdAny}};
  wire::Connection with_id = ring(1, 5);
  with_id.unique_id = 77;
  const auto imported =
      import_from(stream_of({with_id, wire::Node{.perms = perms, .path = "/a"}}), state, 9);
  ASSERT_TRUE(imported);
  const auto entries = state.tree.find("/a")->perms()->entries();
  EXPECT_EQ(entries[0].incarnation, 77U);
  EXPECT_EQ(entries[1].incarnation, 9U);
  EXPECT_EQ(entries[2].incarnation, kIncarnationStale);
  EXPECT_EQ(entries[3].incarnation, 0U);
  EXPECT_EQ(state.tree.find("/a")->generation(), 9U);
  EXPECT_EQ(state.tree.root().generation(), 9U);
  EXPECT_EQ(state.system.domains.at(5).unique_id, 77U);
  EXPECT_FALSE(state.system.domains.at(6).introduced);
  EXPECT_FALSE(state.system.domains.contains(7));
}

// A ring that comes behind permissions of its domain: both name the same life.
TEST(ImportTest, H10_ALifeHasOneNumberWhateverTheOrder) {
  State state;
  wire::Connection late = ring(1, 5);
  late.unique_id = 77;
  ASSERT_TRUE(import_from(stream_of({wire::Node{.perms = kOfFive, .path = "/a"}, late}), state));
  EXPECT_EQ(state.tree.find("/a")->perms()->entries()[0].incarnation,
            state.system.domains.at(5).incarnation);
}

// Else every stale entry would name it.
TEST(ImportTest, XSA417_NoUniqueIdMakesStalePermissionsValid) {
  State state;
  wire::Connection hostile = ring(1, 5);
  hostile.unique_id = kIncarnationStale;
  const std::array perms{wire::NodePerm{.domid = 0}, wire::NodePerm{.domid = 5, .stale = true}};
  ASSERT_TRUE(import_from(stream_of({hostile, wire::Node{.perms = perms, .path = "/a"}}), state));
  EXPECT_NE(state.tree.find("/a")->perms()->entries()[1].incarnation,
            state.system.domains.at(5).incarnation);
}

/// Domain 5 with all the toolstack writes, and what is to be changed.
std::vector<wire::Record> whole_domain() {
  return {ring(1, 5),
          wire::Watch{.connection = 1, .path = "device", .token = "t"},
          node("/local"),
          node("/local/domain"),
          node("/local/domain/5"),
          node("/local/domain/5/vm", "/vm/01234567-89ab-cdef-0123-456789abcdef"),
          node("/local/domain/5/store"),
          node("/local/domain/5/store/port", "17"),
          node("/local/domain/5/store/ring-ref", "1044476")};
}
Imported settled(const std::vector<wire::Record>& records) {
  State state;
  auto imported = import_from(stream_of(records), state);
  EXPECT_TRUE(imported);
  if (!imported) return {};
  settle_offline(state.tree, {}, *imported);
  return std::move(*imported);
}

TEST(OfflineTest, H12_WhatTheStreamDoesNotSayOfADomainIsInItsNodes) {
  const Imported imported = settled(whole_domain());
  EXPECT_THAT(imported.notes, ElementsAre());
  const auto& domain = imported.system.domains.at(5);
  EXPECT_THAT(domain.handle, ElementsAre(0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23,
                                         0x45, 0x67, 0x89, 0xab, 0xcd, 0xef));
  EXPECT_EQ(domain.remote_port, 17U);
  EXPECT_EQ(domain.gfn, 1044476U);
  EXPECT_TRUE(domain.introduced);
  EXPECT_EQ(imported.watches, 1U);
}

TEST(OfflineTest, H12_ARingWithoutKnownPortIsToBeIntroducedAgain) {
  for (const char* port : {"", "0", "x", "17x", "-1", "99999999999"}) {
    auto records = whole_domain();
    std::get<wire::Node>(records[7]).value = port;
    const Imported imported = settled(records);
    EXPECT_THAT(imported.notes, ElementsAre(HasSubstr("domain 5: no store/port"))) << port;
    EXPECT_FALSE(imported.system.domains.at(5).introduced);
    EXPECT_TRUE(imported.system.connections.empty());
    EXPECT_TRUE(imported.connections.empty());
    EXPECT_EQ(imported.watches, 0U);
  }
}

TEST(OfflineTest, AHandleIsTakenWholeOrNotAtAll) {
  for (const char* vm :
       {"", "/vm/", "/vm/01234567-89ab-cdef-0123-456789abcde",
        "/vm/0123456789abcdef0123456789abcdef", "/vm/x1234567-89ab-cdef-0123-456789abcdef"}) {
    auto records = whole_domain();
    std::get<wire::Node>(records[5]).value = vm;
    const Imported imported = settled(records);
    EXPECT_THAT(imported.notes, ElementsAre(HasSubstr("domain 5: no /vm"))) << vm;
    EXPECT_THAT(imported.system.domains.at(5).handle, testing::Each(0));
  }
}

TEST(OfflineTest, H9_ARingWithBytesOnTheirWayRests) {
  auto records = whole_domain();
  std::get<wire::Connection>(records[0]).input = "half a request";
  const Imported imported = settled(records);
  EXPECT_THAT(imported.notes, ElementsAre(HasSubstr("domain 5: requests or answers")));
  EXPECT_TRUE(imported.system.connections.at(1).frozen);
  EXPECT_TRUE(imported.system.connections.at(1).watches.empty());
}

TEST(OfflineTest, SocketsEndWithTheirWatches) {
  auto records = whole_domain();
  records.push_back(wire::Connection{.id = 2, .spec = wire::SocketSpec{.fd = 3}});
  records.push_back(wire::Watch{.connection = 2, .path = "/a", .token = "t"});
  const Imported imported = settled(records);
  EXPECT_THAT(imported.notes, ElementsAre("1 socket connections end here"));
  EXPECT_EQ(imported.connections.size(), 1U);
  EXPECT_EQ(imported.system.connections.size(), 1U);
}

}  // namespace
}  // namespace vxs::store::migration::test
