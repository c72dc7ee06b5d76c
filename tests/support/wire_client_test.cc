#include "tests/support/wire_client.hh"

#include <gtest/gtest.h>

#include <optional>

#include "tests/support/stock_daemon.hh"
#include "tests/support/temp_dir.hh"

namespace vxs::support {
namespace {

class WireClientTest : public ::testing::Test {
 protected:
  void SetUp() override { daemon_.emplace(StockDaemon::start_c(dir_.path())); }
  WireClient connect() { return WireClient(daemon_->socket_path()); }

  TempDir dir_;
  std::optional<StockDaemon> daemon_;
};

TEST(WireFormat, EncodeWritesTheHeaderOfA5) {
  EXPECT_EQ(encode({kRead, 0x01020304, 7, "ab"}),
            std::string("\x02\0\0\0\x04\x03\x02\x01\x07\0\0\0\x02\0\0\0ab", 18));
}

TEST_F(WireClientTest, DrainReturnsTheEventsOfAnotherClientsWriteInOrder) {
  WireClient watcher = connect();
  WireClient writer = connect();
  watcher.call(kWatch, zstrings({"/a", "t"}));
  EXPECT_EQ(watcher.drain(), (std::vector<Event>{{"/a", "t"}}));
  writer.call(kWrite, std::string("/a/1\0v", 6));
  writer.call(kWrite, std::string("/a/2\0v", 6));
  EXPECT_EQ(watcher.drain(), (std::vector<Event>{{"/a/1", "t"}, {"/a/2", "t"}}));
  EXPECT_TRUE(watcher.drain().empty());
}

TEST_F(WireClientTest, CallKeepsEventsApartFromReplies) {
  WireClient client = connect();
  client.call(kWatch, zstrings({"/a", "t"}));
  client.drain();
  EXPECT_EQ(client.call(kWrite, std::string("/a\0v", 4)).type, kWrite);
  EXPECT_EQ(client.call(kRead, zstrings({"/a"})).payload, "v");
  EXPECT_EQ(client.take_events(), (std::vector<Event>{{"/a", "t"}}));
}

TEST_F(WireClientTest, ErrorsCarryTheirNameAndTheTransactionOfTheRequest) {
  WireClient client = connect();
  const Frame frame = client.call(kRead, zstrings({"/none"}), 77);
  EXPECT_EQ(frame.error(), "ENOENT");
  EXPECT_EQ(frame.tx_id, 77U);
}

TEST_F(WireClientTest, SplitFramesAndSeveralAtOnceAreAnsweredInOrder) {
  WireClient client = connect();
  const std::string first = encode({kGetDomainPath, 1, 0, zstrings({"1"})});
  const std::string second = encode({kGetDomainPath, 2, 0, zstrings({"2"})});
  client.send_bytes(first.substr(0, 5));
  client.send_bytes(first.substr(5) + second);
  EXPECT_EQ(client.reply().payload, zstrings({"/local/domain/1"}));
  EXPECT_EQ(client.reply().req_id, 2U);
}

TEST_F(WireClientTest, A7_OverlongFrameIsSeenAsAClosedConnection) {
  WireClient client = connect();
  client.send({kRead, 1, 0, std::string(4097, 'x')});
  EXPECT_TRUE(client.closed_by_peer(std::chrono::seconds(5)));
}

TEST_F(WireClientTest, ReceiveGivesUpAtTheTimeout) {
  WireClient client = connect();
  EXPECT_EQ(client.receive(std::chrono::milliseconds(10)), std::nullopt);
  EXPECT_THROW(client.reply(std::chrono::milliseconds(10)), WireError);
}

}  // namespace
}  // namespace vxs::support
