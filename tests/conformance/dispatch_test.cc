// Chapter B0: what holds for every message.
#include "tests/conformance/fixture.hh"

namespace vxs::conformance {
namespace {

using namespace std::string_literals;

class Dispatch : public Conformance {};

/// Every type with a handler, and a payload it likes outside a transaction.
std::vector<std::pair<Type, std::string>> every_type() {
  return {{kControl, zstrings({"help"})},
          {kDirectory, zstrings({"/"})},
          {kRead, zstrings({"/"})},
          {kGetPerms, zstrings({"/"})},
          {kTransactionStart, zstrings({""})},
          {kTransactionEnd, zstrings({"T"})},
          {kIntroduce, zstrings({"5", "1", "1"})},
          {kRelease, zstrings({"5"})},
          {kGetDomainPath, zstrings({"5"})},
          {kWrite, zstrings({"/dispatch"})},
          {kMkdir, zstrings({"/dispatch"})},
          {kRm, zstrings({"/dispatch"})},
          {kSetPerms, zstrings({"/", "n0"})},
          {kIsDomainIntroduced, zstrings({"0"})},
          {kResume, zstrings({"5"})},
          {kSetTarget, zstrings({"5", "6"})},
          {kResetWatches, zstrings({""})},
          {kDirectoryPart, zstrings({"/", "0"})},
          {kGetFeature, ""},
          {kSetFeature, zstrings({"5", "0"})},
          {kGetQuota, ""},
          {kSetQuota, zstrings({"5", "nodes", "1000"})}};
}

TEST_F(Dispatch, B0_1_TypesWithoutAHandlerAreEnosys) {
  Client client = connect();
  for (const std::uint32_t type : {15U, 16U, 20U, 27U, 28U, 65535U, 0xffffffffU}) {
    EXPECT_EQ(client.ask(type, ""), "!ENOSYS") << type;
    EXPECT_EQ(client.ask(type, zstrings({"/"}), 99), "!ENOSYS") << type << " before the tx_id";
  }
}

TEST_F(Dispatch, B0_1_B0_2_UnknownTransactionIsEnoentForAllTypes) {
  Client client = connect();
  for (const auto& [type, payload] : every_type()) {
    EXPECT_EQ(client.ask(type, payload, 4711), "!ENOENT") << type_name(type);
    EXPECT_EQ(client.ask(type, "", 4711), "!ENOENT") << type_name(type) << " before the arguments";
  }
}

TEST_F(Dispatch, B0_1_WatchAndUnwatchIgnoreTheTransactionButEchoIt) {
  Client client = connect();
  EXPECT_EQ(client.ask(kWatch, {at(), "t"}, 4711), kOk);
  EXPECT_EQ(client.ask(kUnwatch, {at(), "t"}, 4711), kOk);
}

TEST_F(Dispatch, B0_1_TransactionsOfOtherConnectionsAreUnknown) {
  Client owner = connect();
  Client other = connect();
  const std::uint32_t tx = owner.start();
  EXPECT_EQ(other.read("/", tx), "!ENOENT");
  EXPECT_EQ(other.commit(tx), "!ENOENT");
  EXPECT_EQ(owner.commit(tx), kOk);
}

TEST_F(Dispatch, B0_3_A4_SocketsMayUseEveryPrivilegedType) {
  Client client = connect();
  for (const auto& [type, payload] : every_type()) {
    EXPECT_NE(client.ask(type, payload), "!EACCES") << type_name(type);
    EXPECT_NE(client.ask(type, ""), "!EACCES") << type_name(type);
  }
}

TEST_F(Dispatch, B0_4_ErrorIsTheNameAndOneNul) {
  Client client = connect();
  const Frame frame = client.call(kRead, zstrings({at()}));
  EXPECT_EQ(frame.type, static_cast<std::uint32_t>(kError));
  EXPECT_EQ(frame.payload, "ENOENT\0"s);
}

TEST_F(Dispatch, B0_5_SuccessWithoutDataIsOk) {
  Client client = connect();
  EXPECT_EQ(client.write(at(), ""), "OK\0"s);
  EXPECT_EQ(client.read(at()), "");
  EXPECT_EQ(client.ask(kDirectory, {at()}), "");
}

TEST_F(Dispatch, B0_6_J2_ReplyOver4096IsE2big) {
  Client client = connect();
  // 63 names of 64 bytes with their NULs are 4095 bytes, one more name is too much.
  for (int i = 0; i < 63; ++i) {
    ASSERT_EQ(client.mkdir(at("/") + std::string(62, 'n') + std::to_string(10 + i)), kOk);
  }
  EXPECT_EQ(client.ask(kDirectory, {at()}).size(), 63U * 65U);
  ASSERT_EQ(client.mkdir(at("/") + std::string(62, 'n') + std::to_string(10 + 63)), kOk);
  EXPECT_EQ(client.ask(kDirectory, {at()}), "!E2BIG");
}

TEST_F(Dispatch, B0_7_OneArgumentHasItsOnlyNulAtTheEnd) {
  Client client = connect();
  for (const Type type : {kRead, kDirectory, kGetPerms, kMkdir, kRm}) {
    for (const auto& payload : {""s, "/tool"s, "/tool\0\0"s, "/tool\0x"s, "/to\0ol\0"s}) {
      EXPECT_EQ(client.ask(type, payload), "!EINVAL") << type_name(type);
    }
  }
  for (const Type type :
       {kTransactionEnd, kRelease, kResume, kIsDomainIntroduced, kGetDomainPath}) {
    for (const auto& payload : {""s, "5"s, "5\0\0"s, "5\0x"s}) {
      EXPECT_EQ(client.ask(type, payload), "!EINVAL") << type_name(type);
    }
  }
}

TEST_F(Dispatch, B0_8_EventsOfARequestComeBeforeItsReply) {
  Client client = connect();
  ASSERT_EQ(client.watch(at(), "t"), kOk);
  const auto expect_event_then_reply = [&](Type type, const std::string& payload) {
    client.send({type, 77, 0, payload});
    EXPECT_EQ(client.receive(), (Frame{kWatchEvent, 0, 0, zstrings({at(), "t"})}))
        << type_name(type);
    EXPECT_EQ(client.receive(), (Frame{type, 77, 0, kOk})) << type_name(type);
  };
  expect_event_then_reply(kMkdir, zstrings({at()}));
  expect_event_then_reply(kWrite, zstrings({at()}) + "v");
  expect_event_then_reply(kSetPerms, zstrings({at(), "n0"}));
  expect_event_then_reply(kRm, zstrings({at()}));
}

TEST_F(Dispatch, B0_8_EventsOfACommitComeBeforeItsReply) {
  Client client = connect();
  ASSERT_EQ(client.watch(at(), "t"), kOk);
  const std::uint32_t tx = client.start();
  ASSERT_EQ(client.write(at(), "x", tx), kOk);
  client.send({kTransactionEnd, 5, tx, zstrings({"T"})});
  EXPECT_EQ(client.receive(), (Frame{kWatchEvent, 0, 0, zstrings({at(), "t"})}));
  EXPECT_EQ(client.receive(), (Frame{kTransactionEnd, 5, tx, kOk}));
}

TEST_F(Dispatch, B0_8_WatchIsAnsweredBeforeItsInitialEvent) {
  Client client = connect();
  client.send({kWatch, 1, 0, zstrings({at(), "t"})});
  EXPECT_EQ(client.receive(), (Frame{kWatch, 1, 0, kOk}));
  EXPECT_EQ(client.receive(), (Frame{kWatchEvent, 0, 0, zstrings({at(), "t"})}));
}

TEST_F(Dispatch, B0_10_AFailedRequestLeavesNothingBehind) {
  Client client = connect();
  ASSERT_EQ(client.mkdir(at()), kOk);
  const std::string before = client.ask(kDirectoryPart, {at(), "0"});
  EXPECT_EQ(client.write(at("/new//bad"), "x"), "!EINVAL");
  EXPECT_EQ(client.rm(at("/missing/child")), "!ENOENT");
  EXPECT_EQ(client.set_perms(at("/missing"), "n0"), "!ENOENT");
  EXPECT_EQ(client.set_perms(at(), "n0 q1"), "!EINVAL");
  EXPECT_EQ(client.ask(kDirectoryPart, {at(), "0"}), before);
}

}  // namespace
}  // namespace vxs::conformance
