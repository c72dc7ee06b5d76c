// From a C xenstored to this build and back (H4..H7): clients and guests check what they are told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/daemon/swap/swap_fixture.hh"
#include "tests/support/daemon_ready.hh"

namespace vxs::test {
namespace {

using namespace std::chrono_literals;
using support::Event;
using support::FakeGuest;
using support::Frame;
using support::WireClient;
using support::zstrings;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ThereAndBack : public SwapFixture {
 protected:
  static std::uint32_t begin(WireClient& client) {
    return static_cast<std::uint32_t>(
        std::stoul(client.call(support::kTransactionStart, zstrings({""})).payload));
  }
  static std::string end(WireClient& client, std::uint32_t tx) {
    return client.call(support::kTransactionEnd, zstrings({"T"}), tx).error();
  }
};

TEST_F(ThereAndBack, H7_TheProcessItsClientsAndTheStoreStay) {
  WireClient one = client();
  WireClient watcher = client();
  const pid_t before = pid();
  ASSERT_EQ(watcher.call(support::kWatch, zstrings({"/n", "t"})).error(), "");
  (void)watcher.drain();
  for (int round = 0; round < 3; ++round) {
    const std::string name = "/n/" + std::to_string(round);
    there();
    ASSERT_EQ(write(one, name, "ours"), "");
    ASSERT_EQ(one.call(support::kSetPerms, zstrings({name, "n0", "r3"})).error(), "");
    EXPECT_THAT(watcher.drain(20ms), ElementsAre(Event{name, "t"}, Event{name, "t"}));
    back();
    EXPECT_EQ(read(one, name), "ours");
    EXPECT_EQ(one.call(support::kGetPerms, zstrings({name})).payload, zstrings({"n0", "r3"}));
    ASSERT_EQ(write(one, name + "/s", "stock"), "");
    EXPECT_THAT(watcher.drain(20ms), ElementsAre(Event{name + "/s", "t"}));
  }
  EXPECT_EQ(pid(), before);
  EXPECT_EQ(read(one, "/n/0/s"), "stock");
  EXPECT_FALSE(std::filesystem::exists(dir() + "/state_dump"));
  std::ifstream file(dir() + "/stock.pid");
  pid_t written = 0;
  file >> written;
  EXPECT_EQ(written, before);
}

TEST_F(ThereAndBack, H9_HalfARequestIsCompleted) {
  there();
  const std::string frame = support::encode(
      {.type = support::kWrite, .req_id = 7, .tx_id = 0, .payload = zstrings({"/half"}) + "whole"});
  std::vector<WireClient> clients;
  const std::vector<std::size_t> cuts{1, 15, 17, frame.size() - 1};
  for (const std::size_t cut : cuts) {
    clients.push_back(client());
    clients.back().send_bytes(std::string_view(frame).substr(0, cut));
  }
  std::this_thread::sleep_for(50ms);
  back();
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    clients[i].send_bytes(std::string_view(frame).substr(cuts[i]));
    EXPECT_EQ(clients[i].reply().req_id, 7U);
    EXPECT_EQ(read(clients[i], "/half"), "whole");
  }
}

// The C daemon carries out whole requests of a stream in the order of a stack.
TEST_F(ThereAndBack, RepliesNobodyReadComeWholeAndInOrder) {
  there();
  WireClient lazy = client();
  const std::string value(3000, 'v');
  ASSERT_EQ(write(lazy, "/big", value), "");
  ASSERT_EQ(lazy.call(support::kWatch, zstrings({"/e", "t"})).error(), "");
  constexpr std::uint32_t kRequests = 400;
  for (std::uint32_t i = 1; i <= kRequests; ++i) {
    lazy.send(
        {.type = support::kRead, .req_id = 1000 + i, .tx_id = 0, .payload = zstrings({"/big"})});
  }
  WireClient writer = client();
  for (int i = 0; i < 20; ++i) ASSERT_EQ(write(writer, "/e/" + std::to_string(i), "x"), "");
  // The C daemon waits for who does not read: somebody has to.
  std::thread reader([&] {
    std::this_thread::sleep_for(300ms);
    for (std::uint32_t i = 1; i <= kRequests; ++i) {
      const Frame reply = lazy.reply();
      ASSERT_EQ(reply.req_id, 1000 + i);
      ASSERT_EQ(reply.payload, value);
    }
  });
  back();
  reader.join();
  auto events = lazy.drain(50ms);
  ASSERT_EQ(events.size(), 21U);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(events[static_cast<std::size_t>(i) + 1].path, "/e/" + std::to_string(i));
  }
}

TEST_F(ThereAndBack, H5_LongTransactionsAreWaitedForAndNamed) {
  there();
  WireClient owner = client();
  const auto tx = begin(owner);
  WireClient requester = client();
  EXPECT_THAT(live_update(requester, stock_binary(), {"-t", "1"}),
              HasSubstr("Domains with long running transactions:\nDomain 0: "));
  EXPECT_EQ(program(), std::filesystem::canonical(our_binary()).string());
  EXPECT_EQ(write(owner, "/t", "1", tx), "");
  EXPECT_EQ(end(owner, tx), "");
  back({"-t", "1"});
  EXPECT_EQ(read(owner, "/t"), "1");
}

TEST_F(ThereAndBack, H5_AForcedUpdateLosesTransactions) {
  there();
  WireClient owner = client();
  const auto tx = begin(owner);
  ASSERT_EQ(write(owner, "/t", "1", tx), "");
  back({"-t", "1", "-F"});
  EXPECT_EQ(end(owner, tx), "ENOENT");
  EXPECT_EQ(read(owner, "/t"), "ENOENT");
}

TEST_F(ThereAndBack, H6_TransactionsThatWouldBeginMeanwhileBeginAfterwards) {
  there();
  WireClient owner = client();
  WireClient other = client();
  const auto tx = begin(owner);
  WireClient requester = client();
  ASSERT_EQ(control(requester, {"-f", stock_binary()}), "OK");
  const std::string payload = zstrings({"live-update", "-s", "-t", "30"});
  requester.send({.type = support::kControl, .req_id = 3, .tx_id = 0, .payload = payload});
  std::this_thread::sleep_for(100ms);
  other.send(
      {.type = support::kTransactionStart, .req_id = 9, .tx_id = 0, .payload = zstrings({""})});
  EXPECT_FALSE(other.receive(200ms).has_value());
  EXPECT_EQ(write(owner, "/t", "1", tx), "") << "who has one goes on";
  const auto second = begin(owner);
  EXPECT_EQ(end(owner, second), "");
  EXPECT_EQ(end(owner, tx), "");
  EXPECT_EQ(requester.reply().req_id, 3U);
  EXPECT_EQ(program(), stock_binary());
  const Frame reply = other.reply();
  EXPECT_EQ(reply.req_id, 9U);
  ASSERT_EQ(reply.type, static_cast<std::uint32_t>(support::kTransactionStart));
  const auto late = static_cast<std::uint32_t>(std::stoul(reply.payload));
  EXPECT_EQ(write(other, "/late", "1", late), "");
  EXPECT_EQ(end(other, late), "");
  EXPECT_EQ(read(owner, "/t"), "1");
}

TEST_F(ThereAndBack, H4_AnAbortedUpdateLetsTransactionsBegin) {
  there();
  WireClient owner = client();
  WireClient other = client();
  const auto tx = begin(owner);
  {
    WireClient requester = client();
    ASSERT_EQ(control(requester, {"-f", stock_binary()}), "OK");
    const std::string payload = zstrings({"live-update", "-s", "-t", "30"});
    requester.send({.type = support::kControl, .req_id = 3, .tx_id = 0, .payload = payload});
    std::this_thread::sleep_for(100ms);
    other.send(
        {.type = support::kTransactionStart, .req_id = 9, .tx_id = 0, .payload = zstrings({""})});
    EXPECT_FALSE(other.receive(100ms).has_value());
  }  // its end ends the session
  EXPECT_EQ(other.reply().req_id, 9U);
  EXPECT_EQ(end(owner, tx), "");
  EXPECT_EQ(program(), std::filesystem::canonical(our_binary()).string());
}

TEST_F(ThereAndBack, GuestsOnRingsGoOn) {
  FakeGuest kernel(machine().machine(), 0);
  FakeGuest three = guest(3);
  FakeGuest seven = guest(7);
  ASSERT_EQ(three.call(support::kWatch, zstrings({"device", "d"})).error(), "");
  (void)three.drain();
  WireClient dom0 = client();
  ASSERT_EQ(dom0.call(support::kWatch, zstrings({"@releaseDomain", "r"})).error(), "");
  (void)dom0.drain();
  for (int round = 0; round < 2; ++round) {
    for (const bool ours : {true, false}) {
      ours ? there() : back();
      const std::string value = std::to_string(round) + (ours ? " ours" : " stock");
      ASSERT_EQ(write(three, "name", value), "");
      EXPECT_EQ(read(kernel, "/local/domain/3/name"), value);
      EXPECT_EQ(read(seven, "/local/domain/3/name"), "EACCES");
      ASSERT_EQ(write(dom0, "/local/domain/3/device/vif", value), "");
      EXPECT_THAT(three.drain(50ms), ElementsAre(Event{"device/vif", "d"}));
      EXPECT_THAT(dom0.drain(), IsEmpty()) << "nobody died";
    }
  }
  machine().destroy(7);
  EXPECT_TRUE(machine().gone(7));
  EXPECT_THAT(dom0.drain(100ms), ElementsAre(Event{"@releaseDomain", "r"}));
}

// The packaged one ends itself over anything but version 1.
TEST_F(ThereAndBack, H4_AVersionThatTheOtherDaemonDoesNotReadIsRefused) {
  there();
  WireClient one = client();
  ASSERT_EQ(write(one, "/a", "1"), "");
  for (const char* version : {"0", "2", "3", "garbage"}) {
    WireClient requester = client();
    EXPECT_EQ(live_update(requester, stock_binary(), {"-v", version}),
              "Migration stream version not supported.");
  }
  EXPECT_EQ(program(), std::filesystem::canonical(our_binary()).string());
  EXPECT_EQ(read(one, "/a"), "1");
  back({"-v", "1"});
  EXPECT_EQ(read(one, "/a"), "1");
}

TEST_F(ThereAndBack, WhatWasHandedOverIsNotFoundByALaterStart) {
  there();
  WireClient one = client();
  ASSERT_EQ(write(one, "/old", "1"), "");
  back();
  there();
  EXPECT_EQ(read(one, "/old"), "1");
  ASSERT_EQ(write(one, "/newer", "1"), "");
  back();
  ASSERT_EQ(::kill(pid(), SIGKILL), 0);
  support::Command command;
  command.argv = {our_binary(), "-N", "--xen", "off"};
  command.env = {{"XENSTORED_RUNDIR", dir()}};
  command.output = dir() + "/later";
  support::ChildProcess later(command);
  support::wait_until_answering(later, dir() + "/socket", command.output, 10s);
  WireClient two = client();
  EXPECT_EQ(read(two, "/old"), "ENOENT");
  EXPECT_EQ(read(two, "/tool/xenstored"), "");
  later.signal(SIGTERM);
  EXPECT_TRUE(later.wait(10s).has_value());
}

TEST_F(ThereAndBack, AProgramThatCannotBeRunCostsAPauseAndSaysSo) {
  there();
  const std::string garbage = dir() + "/garbage";
  std::ofstream(garbage) << "\x7f"
                            "ELF, or so it says";
  std::filesystem::permissions(garbage, std::filesystem::perms::owner_all);
  WireClient one = client();
  ASSERT_EQ(write(one, "/a", "1"), "");
  WireClient requester = client();
  EXPECT_EQ(live_update(requester, garbage), "Error activating new binary.");
  EXPECT_EQ(read(one, "/a"), "1");
  EXPECT_EQ(write(one, "/a", "2"), "");
  back();
  EXPECT_EQ(read(one, "/a"), "2");
}

}  // namespace
}  // namespace vxs::test
