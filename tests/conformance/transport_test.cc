// Chapter A: what the socket itself promises.
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/conformance/fixture.hh"

namespace vxs::conformance {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Transport : public Conformance {};

mode_t mode_of(const std::string& path) {
  struct stat found {};
  return stat(path.c_str(), &found) == 0 ? found.st_mode & 07777 : 0;
}

std::string header_of_length(std::uint32_t length) {
  std::string bytes = encode({kRead, 7, 0, ""});
  bytes.replace(12, 4, std::string(reinterpret_cast<const char*>(&length), 4));
  return bytes;
}

TEST_F(Transport, A3_SocketIsPrivateAndReplacesAStaleOne) {
  VxenstoredProcess other({.parent_dir = "/dev/shm"});
  EXPECT_EQ(mode_of(other.socket_path()), 0600U);
  other.kill9();
  EXPECT_EQ(mode_of(other.socket_path()), 0600U) << "a killed daemon leaves its socket";
  other.restart();
  EXPECT_EQ(mode_of(other.socket_path()), 0600U);
  EXPECT_EQ(Client(other.socket_path()).list("/"), "tool");
}

TEST_F(Transport, A4_WhoMayConnectHasAllRights) {
  if (geteuid() != 0) GTEST_SKIP() << "needs another user";
  VxenstoredProcess other({.parent_dir = "/dev/shm"});
  ASSERT_EQ(chmod(other.dir().c_str(), 0755), 0);
  ASSERT_EQ(chmod(other.socket_path().c_str(), 0666), 0);
  ChildProcess nobody({.argv = {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534",
                                "--clear-groups", "/usr/bin/xenstore-write", "/byNobody", "1"},
                       .env = {{"XENSTORED_RUNDIR", other.dir()}},
                       .unset = {"XENSTORED_PATH"},
                       .output = {}});
  EXPECT_EQ(nobody.wait(seconds(10)), 0);
  EXPECT_EQ(Client(other.socket_path()).read("/byNobody"), "1");
}

TEST_F(Transport, A5_ReplyCarriesTheIdsVerbatimAndTheTypeOfTheRequest) {
  Client client = connect();
  const std::uint32_t tx = client.start();
  client.send({kRead, 0xfedcba98, tx, zstrings({"/"})});
  EXPECT_EQ(client.receive(), (Frame{kRead, 0xfedcba98, tx, ""}));
  client.send({kRead, 0, 0xffffffff, zstrings({"/"})});
  EXPECT_EQ(client.receive(), (Frame{kError, 0, 0xffffffff, zstrings({"ENOENT"})}));
}

TEST_F(Transport, A5_EventsCarryNoIds) {
  Client client = connect();
  client.send({kWatch, 5, 0, zstrings({at(), "t"})});
  EXPECT_EQ(client.receive(), (Frame{kWatch, 5, 0, kOk}));
  EXPECT_EQ(client.receive(), (Frame{kWatchEvent, 0, 0, zstrings({at(), "t"})}));
}

TEST_F(Transport, A6_Payload4096IsLegal) {
  Client client = connect();
  const std::string value(4096 - at().size() - 1, 'v');
  EXPECT_EQ(client.write(at(), value), kOk);
  EXPECT_EQ(client.read(at()), value);
}

TEST_F(Transport, A7_OverlongMessageClosesAtOnceWithoutAReply) {
  Client client = connect();
  client.send_bytes(header_of_length(4097));
  EXPECT_THROW(client.receive(), WireError);
  EXPECT_EQ(connect().list("/tool"), "xenstored") << "others do not notice";
}

TEST_F(Transport, A7_RequestsBeforeAnOverlongOneAreApplied) {
  Client client = connect();
  client.send_bytes(encode({kWrite, 1, 0, zstrings({at()}) + "x"}) + header_of_length(5000) +
                    encode({kWrite, 2, 0, zstrings({at("/never")}) + "x"}));
  EXPECT_TRUE(client.closed_by_peer(seconds(5)));
  Client other = connect();
  EXPECT_EQ(other.read(at()), "x");
  EXPECT_EQ(other.read(at("/never")), "!ENOENT");
}

TEST_F(Transport, A8_J20_NegativeLengthClosesAndNothingSpins) {
  for (const std::uint32_t length : {0x80000000U, 0xffffffffU, 0xfffffff0U}) {
    Client client = connect();
    client.send_bytes(header_of_length(length) + std::string(64, '\xff'));
    EXPECT_TRUE(client.closed_by_peer(seconds(5))) << length;
  }
  Client other = connect();
  EXPECT_EQ(other.write(at(), ""), kOk);
}

TEST_F(Transport, A9_EmptyPayloadIsAnsweredAtOnce) {
  Client client = connect();
  for (const std::uint32_t type : {kRead, kWrite, kWatch, kTransactionEnd, kControl, kSetQuota}) {
    EXPECT_EQ(client.ask(type, ""), "!EINVAL") << type_name(type);
  }
  EXPECT_EQ(client.ask(kResetWatches, ""), kOk);
}

TEST_F(Transport, A10_AnyFragmentationIsOneRequest) {
  Client client = connect();
  const std::string bytes = encode({kWrite, 3, 0, zstrings({at()}) + "slow"});
  for (const char byte : bytes) {
    client.send_bytes(std::string_view(&byte, 1));
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  EXPECT_EQ(client.receive(), (Frame{kWrite, 3, 0, kOk}));
}

TEST_F(Transport, A10_ManyRequestsInOneWriteAndOneCutInTheMiddle) {
  Client client = connect();
  std::string bytes;
  for (std::uint32_t i = 0; i < 300; ++i) {
    bytes += encode({kWrite, i, 0, zstrings({at("/") + std::to_string(i)}) + "v"});
  }
  const std::size_t cut = bytes.size() - 7;
  client.send_bytes(std::string_view(bytes).substr(0, cut));
  for (std::uint32_t i = 0; i < 299; ++i) {
    ASSERT_EQ(client.receive(), (Frame{kWrite, i, 0, kOk}));
  }
  EXPECT_FALSE(client.receive(milliseconds(20)));
  client.send_bytes(std::string_view(bytes).substr(cut));
  EXPECT_EQ(client.receive(), (Frame{kWrite, 299, 0, kOk}));
}

TEST_F(Transport, A10_HalfAMessageBlocksNobody) {
  Client half = connect();
  half.send_bytes(encode({kRead, 1, 0, zstrings({"/"})}).substr(0, 9));
  Client other = connect();
  EXPECT_EQ(other.list("/tool"), "xenstored");
}

TEST_F(Transport, A11_L1_PipelinedRepliesComeInOrder) {
  Client client = connect();
  ASSERT_EQ(client.write(at(), "value"), kOk);
  std::string bytes;
  for (std::uint32_t i = 0; i < 900; i += 3) {
    bytes += encode({kRead, i, 0, zstrings({at()})});
    bytes += encode({kRead, i + 1, 0, zstrings({at("/missing")})});
    bytes += encode({kDirectory, i + 2, 0, zstrings({"/tool"})});
  }
  client.send_bytes(bytes);
  for (std::uint32_t i = 0; i < 900; i += 3) {
    ASSERT_EQ(client.receive(), (Frame{kRead, i, 0, "value"}));
    ASSERT_EQ(client.receive(), (Frame{kError, i + 1, 0, zstrings({"ENOENT"})}));
    ASSERT_EQ(client.receive(), (Frame{kDirectory, i + 2, 0, zstrings({"xenstored"})}));
  }
}

TEST_F(Transport, A11_K1_RequestIdZeroForEverythingWorks) {
  Client client = connect();
  for (int i = 0; i < 20; ++i) client.send({kRead, 0, 0, zstrings({"/tool"})});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.receive(), (Frame{kRead, 0, 0, ""}));
}

TEST_F(Transport, A12_FullCloseAfterARequestStillAppliesIt) {
  for (int i = 0; i < 20; ++i) {
    connect().send({kWrite, 1, 0, zstrings({at("/") + std::to_string(i)}) + "x"});
    ASSERT_TRUE(eventually([&] { return connect().read(at("/") + std::to_string(i)) == "x"; }))
        << i;
  }
}

TEST_F(Transport, A12_ManyRequestsThenFullCloseAreAllApplied) {
  {
    Client client = connect();
    std::string bytes;
    for (std::uint32_t i = 0; i < 500; ++i) {
      bytes += encode({kWrite, i, 0, zstrings({at("/") + std::to_string(i)}) + "x"});
    }
    client.send_bytes(bytes);
  }
  EXPECT_TRUE(eventually([&] { return connect().read(at("/499")) == "x"; }));
}

TEST_F(Transport, A12_HalfCloseAppliesAndAnswersEverythingSent) {
  Client client = connect();
  std::string bytes;
  for (std::uint32_t i = 0; i < 100; ++i) {
    bytes += encode({kWrite, i, 0, zstrings({at("/") + std::to_string(i)}) + "x"});
  }
  client.send_bytes(bytes);
  ASSERT_EQ(shutdown(client.fd(), SHUT_WR), 0);
  for (std::uint32_t i = 0; i < 100; ++i) ASSERT_EQ(client.receive(), (Frame{kWrite, i, 0, kOk}));
  EXPECT_TRUE(client.closed_by_peer(seconds(5)));
}

TEST_F(Transport, A12_HalfARequestAtTheEndIsNotApplied) {
  Client client = connect();
  client.send_bytes(encode({kWrite, 1, 0, zstrings({at()}) + "whole"}) +
                    encode({kWrite, 2, 0, zstrings({at()}) + "half a value"}).substr(0, 40));
  ASSERT_EQ(shutdown(client.fd(), SHUT_WR), 0);
  EXPECT_EQ(client.receive(), (Frame{kWrite, 1, 0, kOk}));
  EXPECT_TRUE(client.closed_by_peer(seconds(5)));
  EXPECT_EQ(connect().read(at()), "whole");
}

TEST_F(Transport, A12_E7_TheEndDropsWatchesAndTransactions) {
  Client other = connect();
  const std::string watches = status(other, "watches");
  const std::string transactions = status(other, "transactions");
  {
    Client client = connect();
    ASSERT_EQ(client.watch(at(), "t"), kOk);
    ASSERT_EQ(client.write(at(), "x", client.start()), kOk);
    EXPECT_NE(status(other, "watches"), watches);
    EXPECT_NE(status(other, "transactions"), transactions);
  }
  EXPECT_TRUE(eventually([&] {
    return status(other, "watches") == watches && status(other, "transactions") == transactions;
  }));
  EXPECT_EQ(other.read(at()), "!ENOENT");
}

TEST_F(Transport, A14_AClientThatStopsReadingStallsNobody) {
  Client stalled = connect();
  ASSERT_EQ(stalled.write(at(), std::string(4000, 'v')), kOk);
  std::string bytes;
  for (std::uint32_t i = 0; i < 1500; ++i) bytes += encode({kRead, i, 0, zstrings({at()})});
  stalled.send_bytes(bytes);
  Client other = connect();
  for (int i = 0; i < 100; ++i) ASSERT_EQ(other.read(at()).size(), 4000U);
  // And it is served to the end once it reads.
  for (std::uint32_t i = 0; i < 1500; ++i) {
    const auto frame = stalled.receive();
    ASSERT_TRUE(frame);
    ASSERT_EQ(frame->req_id, i);
    ASSERT_EQ(frame->payload.size(), 4000U);
  }
}

}  // namespace
}  // namespace vxs::conformance
