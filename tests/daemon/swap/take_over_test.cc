// Hot swap from a running packaged C xenstored to this build (H4..H12).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/daemon/swap/swap_fixture.hh"

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

class TakeOver : public SwapFixture {
 protected:
  void swap(const std::vector<std::string>& start = {}) {
    WireClient requester = client();
    ASSERT_EQ(live_update(requester, our_binary(), start), "OK");
    EXPECT_EQ(program(), std::filesystem::canonical(our_binary()).string());
    EXPECT_EQ(read(requester, "/tool/xenstored"), "") << "the requester's connection goes on";
  }
  [[nodiscard]] std::string stream() const { return dir() + "/state_dump"; }
};

TEST_F(TakeOver, H7_TheSameProcessServesTheSameConnections) {
  WireClient one = client();
  ASSERT_EQ(write(one, "/a/b", "1"), "");
  ASSERT_EQ(one.call(support::kSetPerms, zstrings({"/a/b", "n0", "r3"})).error(), "");
  const pid_t before = pid();
  swap();
  EXPECT_EQ(pid(), before);
  EXPECT_EQ(::kill(before, 0), 0);
  EXPECT_EQ(read(one, "/a/b"), "1");
  EXPECT_EQ(one.call(support::kGetPerms, zstrings({"/a/b"})).payload, zstrings({"n0", "r3"}));
  EXPECT_EQ(write(one, "/a/c", "2"), "");
  EXPECT_EQ(read(one, "/a/c"), "2");
  WireClient late = client();
  EXPECT_EQ(read(late, "/a/c"), "2");
  std::ifstream file(dir() + "/stock.pid");
  pid_t written = 0;
  file >> written;
  EXPECT_EQ(written, before);
}

TEST_F(TakeOver, H7_TheStreamIsRemovedOnceItIsServed) {
  swap();
  for (int i = 0; i < 1000 && std::filesystem::exists(stream()); ++i) {
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_FALSE(std::filesystem::exists(stream()));
}

TEST_F(TakeOver, WhatWasTakenOverOutlivesAKill) {
  WireClient one = client();
  ASSERT_EQ(write(one, "/a", "1"), "");
  ASSERT_EQ(one.call(support::kWatch, zstrings({"/a", "t"})).error(), "");
  swap();
  (void)one.drain();
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(children().size(), 1U);
    const pid_t daemon = children().front();
    ASSERT_EQ(::kill(daemon, SIGKILL), 0);
    EXPECT_EQ(write(one, "/a", std::to_string(i)), "");
    EXPECT_EQ(read(one, "/a"), std::to_string(i));
    EXPECT_THAT(one.drain(), testing::Contains(Event{"/a", "t"}));
  }
}

TEST_F(TakeOver, WatchesStayAndFire) {
  WireClient watcher = client();
  WireClient writer = client();
  ASSERT_EQ(watcher.call(support::kWatch, zstrings({"/w", "one"})).error(), "");
  ASSERT_EQ(watcher.call(support::kWatch, zstrings({"/w/deep", "two"})).error(), "");
  ASSERT_EQ(watcher.call(support::kWatch, zstrings({"@releaseDomain", "three"})).error(), "");
  ASSERT_EQ(watcher.drain().size(), 3U);
  swap();
  EXPECT_THAT(watcher.drain(), IsEmpty()) << "nothing changed";
  ASSERT_EQ(write(writer, "/w/deep/x", "1"), "");
  EXPECT_THAT(watcher.drain(20ms),
              ElementsAre(Event{"/w/deep/x", "one"}, Event{"/w/deep/x", "two"}));
  EXPECT_EQ(watcher.call(support::kUnwatch, zstrings({"/w", "one"})).error(), "");
  EXPECT_EQ(watcher.call(support::kWatch, zstrings({"/w/deep", "two"})).error(), "EEXIST");
}

TEST_F(TakeOver, EventsNobodyReadAreStillDelivered) {
  WireClient lazy = client();
  WireClient writer = client();
  ASSERT_EQ(lazy.call(support::kWatch, zstrings({"/e", "t"})).error(), "");
  (void)lazy.drain();
  for (int i = 0; i < 50; ++i) ASSERT_EQ(write(writer, "/e/" + std::to_string(i), "x"), "");
  swap();
  for (int i = 50; i < 60; ++i) ASSERT_EQ(write(writer, "/e/" + std::to_string(i), "x"), "");
  const auto events = lazy.drain(50ms);
  ASSERT_EQ(events.size(), 60U);
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i], (Event{"/e/" + std::to_string(i), "t"}));
  }
}

TEST_F(TakeOver, H9_HalfARequestIsCompleted) {
  const std::string frame = support::encode(
      {.type = support::kWrite, .req_id = 7, .tx_id = 0, .payload = zstrings({"/half"}) + "whole"});
  std::vector<WireClient> clients;
  const std::vector<std::size_t> cuts{1, 15, 17, frame.size() - 1};
  for (const std::size_t cut : cuts) {
    clients.push_back(client());
    clients.back().send_bytes(std::string_view(frame).substr(0, cut));
  }
  std::this_thread::sleep_for(50ms);
  swap();
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    clients[i].send_bytes(std::string_view(frame).substr(cuts[i]));
    const Frame reply = clients[i].reply();
    EXPECT_EQ(reply.req_id, 7U);
    EXPECT_EQ(reply.error(), "");
    EXPECT_EQ(read(clients[i], "/half"), "whole");
  }
}

TEST_F(TakeOver, H5_AnOpenTransactionIsWaitedFor) {
  WireClient owner = client();
  const auto start = owner.call(support::kTransactionStart, zstrings({""}));
  const auto tx = static_cast<std::uint32_t>(std::stoul(start.payload));
  WireClient requester = client();
  EXPECT_THAT(live_update(requester, our_binary(), {"-t", "1"}),
              HasSubstr("Domains with long running transactions:"));
  EXPECT_EQ(program(), stock_binary());
  EXPECT_EQ(write(owner, "/t", "1", tx), "");
  EXPECT_EQ(owner.call(support::kTransactionEnd, zstrings({"T"}), tx).error(), "");
  swap({"-t", "1"});
  EXPECT_EQ(read(owner, "/t"), "1");
}

TEST_F(TakeOver, H5_AForcedUpdateLosesTransactionsAndTheirIds) {
  WireClient owner = client();
  const auto start = owner.call(support::kTransactionStart, zstrings({""}));
  const auto old = static_cast<std::uint32_t>(std::stoul(start.payload));
  ASSERT_EQ(write(owner, "/lost", "1", old), "");
  swap({"-t", "1", "-F"});
  const auto again = owner.call(support::kTransactionStart, zstrings({""}));
  EXPECT_NE(static_cast<std::uint32_t>(std::stoul(again.payload)), old);
  EXPECT_EQ(write(owner, "/lost", "1", old), "ENOENT");
  EXPECT_EQ(owner.call(support::kTransactionEnd, zstrings({"T"}), old).error(), "ENOENT");
  EXPECT_EQ(read(owner, "/lost"), "ENOENT");
}

TEST_F(TakeOver, GuestsOnRingsGoOn) {
  FakeGuest kernel(machine().machine(), 0);
  FakeGuest three = guest(3);
  FakeGuest seven = guest(7);
  ASSERT_EQ(write(three, "name", "three"), "");
  ASSERT_EQ(three.call(support::kWatch, zstrings({"device", "d"})).error(), "");
  ASSERT_THAT(three.drain(), ElementsAre(Event{"device", "d"}));
  ASSERT_EQ(write(kernel, "/k", "kernel"), "");
  WireClient dom0 = client();
  ASSERT_EQ(dom0.call(support::kWatch, zstrings({"@releaseDomain", "r"})).error(), "");
  ASSERT_EQ(dom0.drain().size(), 1U);
  swap();
  EXPECT_EQ(read(three, "name"), "three");
  EXPECT_EQ(read(seven, "/local/domain/3/name"), "EACCES");
  EXPECT_EQ(read(kernel, "/k"), "kernel");
  ASSERT_EQ(write(dom0, "/local/domain/3/device/vif", "0"), "");
  EXPECT_THAT(three.drain(50ms), ElementsAre(Event{"device/vif", "d"}));
  EXPECT_EQ(dom0.call(support::kIsDomainIntroduced, zstrings({"7"})).payload, zstrings({"T"}));
  EXPECT_THAT(dom0.drain(), IsEmpty()) << "nobody died";
  machine().destroy(7);
  EXPECT_TRUE(machine().gone(7));
  EXPECT_THAT(dom0.drain(100ms), ElementsAre(Event{"@releaseDomain", "r"}));
  EXPECT_EQ(read(dom0, "/local/domain/7"), "ENOENT");
}

TEST_F(TakeOver, ANewGuestIsIntroducedAfterwards) {
  swap();
  FakeGuest four = guest(4);
  EXPECT_EQ(write(four, "x", "1"), "");
  EXPECT_EQ(read(four, "x"), "1");
}

}  // namespace
}  // namespace vxs::test
