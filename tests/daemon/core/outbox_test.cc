#include "daemon/core/outbox.hh"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace vxs::daemon {
namespace {

using protocol::Header;

// The payloads that may leave, NULs shown as '|'; takes them.
std::vector<std::string> take(Outbox& outbox) {
  std::vector<std::string> payloads;
  while (true) {
    const auto frame = protocol::decode_frame(outbox.sendable());
    if (frame.status != protocol::DecodeStatus::kFrame) return payloads;
    std::string payload(frame.payload);
    std::replace(payload.begin(), payload.end(), '\0', '|');
    payloads.push_back(std::move(payload));
    outbox.sent(frame.consumed);
  }
}
void reply(Outbox& outbox, const std::string& payload, Seq required, Seq safe) {
  outbox.append_reply(Header{.type = 2, .len = static_cast<std::uint32_t>(payload.size())}, payload,
                      required, safe);
}
using Payloads = std::vector<std::string>;

TEST(Outbox, WhatDependsOnNothingUnsafeMayLeaveAtOnce) {
  Outbox outbox;
  EXPECT_TRUE(outbox.empty());
  reply(outbox, "a", 0, 5);
  reply(outbox, "b", 5, 5);
  EXPECT_EQ(take(outbox), (Payloads{"a", "b"}));
  EXPECT_TRUE(outbox.empty());
}

TEST(Outbox, LeavesInOrderAndOnlyWhenSafe) {
  Outbox outbox;
  reply(outbox, "safe", 5, 5);
  reply(outbox, "six", 6, 5);
  reply(outbox, "none, but behind six", 0, 5);
  reply(outbox, "eight", 8, 5);
  EXPECT_EQ(take(outbox), Payloads{"safe"});
  outbox.release(5);
  EXPECT_EQ(take(outbox), Payloads{});
  outbox.release(7);
  EXPECT_EQ(take(outbox), (Payloads{"six", "none, but behind six"}));
  outbox.release(8);
  EXPECT_EQ(take(outbox), Payloads{"eight"});
  EXPECT_TRUE(outbox.empty());
}

TEST(Outbox, RollbackTakesOnlyWhatDependsOnWhatWasLost) {
  Outbox outbox;
  reply(outbox, "safe", 5, 5);
  EXPECT_TRUE(outbox.append_event("/a", "t", true, 6, 5));
  reply(outbox, "depends on nothing", 0, 5);
  EXPECT_TRUE(outbox.append_event("/b", "t", true, 7, 5));
  EXPECT_TRUE(outbox.append_event("/c", "t", true, 0, 5));
  reply(outbox, "seven", 7, 5);
  outbox.rollback(5);
  EXPECT_FALSE(outbox.gated());
  // "/c" is a safe event: it is accounted for and merges with the next one.
  EXPECT_EQ(outbox.unsent_event_bytes(), protocol::kHeaderSize + 5);
  EXPECT_FALSE(outbox.append_event("/c", "t", true, 0, 5));
  EXPECT_TRUE(outbox.append_event("/a", "t", true, 0, 5));
  EXPECT_EQ(take(outbox), (Payloads{"safe", "depends on nothing", "/c|t|", "/a|t|"}));
  EXPECT_EQ(outbox.unsent_event_bytes(), 0U);
}

TEST(Outbox, RollbackToTheMiddleKeepsWhatBecameSafe) {
  Outbox outbox;
  EXPECT_TRUE(outbox.append_event("/six", "t", true, 6, 5));
  EXPECT_TRUE(outbox.append_event("/seven", "t", true, 7, 5));
  outbox.rollback(6);
  EXPECT_EQ(take(outbox), Payloads{"/six|t|"});
  EXPECT_EQ(outbox.unsent_event_bytes(), 0U);
  EXPECT_TRUE(outbox.append_event("/seven", "t", true, 7, 6));
}

TEST(Outbox, RollbackKeepsTheUnsentPartOfAFrameHalfSent) {
  Outbox outbox;
  reply(outbox, "safe", 5, 5);
  const std::string whole(outbox.sendable());
  outbox.sent(10);
  reply(outbox, "six", 6, 5);
  outbox.rollback(5);
  EXPECT_EQ(outbox.sendable(), whole.substr(10));
}

TEST(Outbox, Watch_D14_QueuedEventMergesAndSentOneDoesNot) {
  Outbox outbox;
  EXPECT_TRUE(outbox.append_event("/a", "t", true, 0, 0));
  EXPECT_FALSE(outbox.append_event("/a", "t", true, 0, 0));
  EXPECT_TRUE(outbox.append_event("/a", "u", true, 0, 0));
  EXPECT_TRUE(outbox.append_event("/a", "t", false, 0, 0));
  EXPECT_EQ(take(outbox), (Payloads{"/a|t|", "/a|u|", "/a|t|"}));
  EXPECT_TRUE(outbox.append_event("/a", "t", true, 0, 0));
}

TEST(Outbox, SafeEventIsNotMergedIntoOneThatMayBeLost) {
  Outbox outbox;
  EXPECT_TRUE(outbox.append_event("/a", "t", true, 6, 5));
  EXPECT_TRUE(outbox.append_event("/a", "t", true, 0, 5));
  outbox.rollback(5);
  EXPECT_EQ(take(outbox), Payloads{"/a|t|"});
}

TEST(Outbox, CompactsWhileMuchIsSentAndSomeWaits) {
  Outbox outbox;
  for (int i = 0; i < 100; ++i) reply(outbox, std::string(1000, 's'), 1, 1);
  EXPECT_TRUE(outbox.append_event("/waits", "t", true, 2, 1));
  reply(outbox, "and so does this", 3, 1);
  EXPECT_EQ(take(outbox).size(), 100U);  // compacts on the way, marks and events move with it
  EXPECT_EQ(outbox.unsent(), 2 * protocol::kHeaderSize + 9 + 16);
  outbox.release(2);
  EXPECT_EQ(take(outbox), Payloads{"/waits|t|"});
  outbox.rollback(2);
  EXPECT_TRUE(outbox.empty());
}

TEST(Outbox, PartialSendsAtEveryByteKeepTheStream) {
  for (std::size_t step = 1; step < 40; ++step) {
    Outbox outbox;
    std::string expected;
    std::string got;
    for (int i = 0; i < 30; ++i) {
      reply(outbox, "reply " + std::to_string(i), 0, 0);
      EXPECT_TRUE(outbox.append_event("/e" + std::to_string(i), "t", true, 0, 0));
    }
    expected = outbox.sendable();
    while (!outbox.empty()) {
      const auto part = outbox.sendable().substr(0, step);
      got += part;
      outbox.sent(part.size());
    }
    ASSERT_EQ(got, expected);
    ASSERT_EQ(outbox.unsent_event_bytes(), 0U);
  }
}

}  // namespace
}  // namespace vxs::daemon
