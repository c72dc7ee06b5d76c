// The outbox of a guest: what it is charged, what it holds, what is dropped when nobody reads.
#include <gtest/gtest.h>

#include "daemon/core/accounts.hh"
#include "tests/daemon/core/core_fixture.hh"

namespace vxs::test {
namespace {

using config::Quota;
using daemon::Cause;
using daemon::Outbox;
using daemon::RequestInFlight;

class OutboxQuota : public testing::Test {
 protected:
  OutboxQuota() { outbox.charge_to(guest); }

  static protocol::Header reply_header(std::size_t size) {
    return {.type = 2, .req_id = 1, .tx_id = 0, .len = static_cast<std::uint32_t>(size)};
  }
  void reply(std::string_view payload, Cause cause = {}, Seq required = 0) {
    outbox.append_reply(reply_header(payload.size()), payload, required, 0, std::move(cause));
  }
  bool event(std::string_view path, std::int64_t at, Cause cause = {}, Seq required = 0) {
    return outbox.append_event(path, "t",
                               {.required = required, .cause = std::move(cause), .queued_us = at});
  }
  Cause request() { return std::make_shared<RequestInFlight>(other); }
  std::vector<std::string> texts() {
    std::vector<std::string> found;
    for (std::string_view bytes = outbox.sendable(); !bytes.empty();) {
      const auto frame = protocol::decode_frame(bytes);
      EXPECT_EQ(frame.status, protocol::DecodeStatus::kFrame);
      found.emplace_back(frame.payload.substr(0, frame.payload.find('\0')));
      bytes.remove_prefix(frame.consumed);
    }
    return found;
  }
  std::uint64_t charged() { return guest->level(Quota::kMemory).now; }
  std::uint64_t outstanding() { return other->level(Quota::kOutstanding).now; }

  ManualClock clock;
  CollectingObserver observer;
  config::QuotaSettings limits;
  daemon::Domains domains{0, {}};
  daemon::Accounts accounts{clock, observer, domains, 0};
  std::shared_ptr<daemon::Account> guest = accounts.open({5, 1}, limits);
  std::shared_ptr<daemon::Account> other = accounts.open({6, 1}, limits);
  Outbox outbox;
};

TEST_F(OutboxQuota, G6_RepliesAndEventsAreChargedWith16BytesEachUntilWritten) {
  reply("12345");
  EXPECT_EQ(charged(), 21U);
  event("/abc", 1);
  EXPECT_EQ(charged(), 21U + 16 + 4 + 1 + 1 + 1);
  outbox.sent(20);
  EXPECT_EQ(charged(), 44U);  // not completely written
  outbox.sent(1);
  EXPECT_EQ(charged(), 23U);
  outbox.sent(23);
  EXPECT_EQ(charged(), 0U);
}

TEST_F(OutboxQuota, G5_ARequestIsHeldUntilItsLastMessageIsWritten) {
  Cause cause = request();
  reply("OK", cause);
  event("/a", 1, cause);
  cause.reset();
  EXPECT_EQ(outstanding(), 1U);
  outbox.sent(18);
  EXPECT_EQ(outstanding(), 1U);
  outbox.sent(outbox.sendable().size() - 1);
  EXPECT_EQ(outstanding(), 1U);
  outbox.sent(1);
  EXPECT_EQ(outstanding(), 0U);
}

TEST_F(OutboxQuota, D15_EventsExpireAtTheirTimeAndRepliesNever) {
  reply("first");
  event("/old", 100, request());
  event("/young", 101, request());
  reply("second");
  EXPECT_EQ(outbox.oldest_event_us(), 100);
  EXPECT_EQ(outbox.expire(99), 0U);
  EXPECT_EQ(outbox.expire(100), 1U);
  EXPECT_EQ(texts(), (Texts{"first", "/young", "second"}));
  EXPECT_EQ(outstanding(), 1U);
  EXPECT_EQ(charged(), outbox.unsent());
  EXPECT_EQ(outbox.expire(1000), 1U);
  EXPECT_EQ(outstanding(), 0U);
  EXPECT_EQ(texts(), (Texts{"first", "second"}));
  EXPECT_EQ(outbox.oldest_event_us(), std::nullopt);
  EXPECT_EQ(outbox.unsent_event_bytes(), 0U);
  EXPECT_EQ(charged(), outbox.unsent());
  outbox.sent(outbox.sendable().size());
  EXPECT_EQ(charged(), 0U);
}

TEST_F(OutboxQuota, D15_AnEventThatHasBegunIsNotCut) {
  event("/begun", 1);
  event("/waiting", 1);
  const std::size_t whole = outbox.sendable().size();
  outbox.sent(1);
  EXPECT_EQ(outbox.expire(1000), 1U);
  const std::size_t begun = 16 + 6 + 1 + 2;
  EXPECT_EQ(outbox.sendable().size(), begun - 1);
  EXPECT_LT(outbox.sendable().size(), whole);
  outbox.sent(begun - 1);
  EXPECT_TRUE(outbox.empty());
  EXPECT_EQ(charged(), 0U);
}

// Found by review: what was sent is dropped once it is 16 KiB; an event half sent then lost its
// header, and counting back to where it began went below 0: it expired, and the daemon with it.
TEST_F(OutboxQuota, D15_AnEventHalfSentWhenTheBufferWasCutDoesNotExpire) {
  const std::string path = "/" + std::string(2990, 'x');
  const std::size_t frame = 16 + path.size() + 1 + 2;
  for (const std::size_t into : {std::size_t{1}, std::size_t{15}, std::size_t{16}, frame - 1}) {
    for (int i = 0; i < 10; ++i) (void)event(path + std::to_string(i), 1);
    const std::size_t each = frame + 1;
    for (int i = 0; i < 7; ++i) outbox.sent(each);
    outbox.sent(into);
    EXPECT_EQ(outbox.expire(1000), 2U) << into;
    EXPECT_EQ(outbox.sendable().size(), each - into);
    outbox.sent(each - into);
    EXPECT_TRUE(outbox.empty());
    EXPECT_EQ(charged(), 0U);
  }
}

TEST_F(OutboxQuota, D14_AnExpiredEventIsQueuedAnew) {
  EXPECT_TRUE(event("/a", 1));
  EXPECT_FALSE(event("/a", 2));  // merged
  EXPECT_EQ(outbox.expire(1), 1U);
  EXPECT_TRUE(event("/a", 3));
  EXPECT_EQ(texts(), (Texts{"/a"}));
}

TEST_F(OutboxQuota, D15_WhatWaitsForTheJournalKeepsItsPlaceWhenOthersExpire) {
  event("/free", 1);
  reply("at 5", {}, 5);
  event("/at5", 1, {}, 5);
  event("/at5late", 50, {}, 5);
  reply("at 6", {}, 6);
  EXPECT_EQ(outbox.expire(10), 2U);
  EXPECT_EQ(texts(), Texts{});
  outbox.release(5);
  EXPECT_EQ(texts(), (Texts{"at 5", "/at5late"}));
  outbox.rollback(5);
  EXPECT_EQ(texts(), (Texts{"at 5", "/at5late"}));
  EXPECT_FALSE(outbox.gated());
  EXPECT_EQ(charged(), outbox.unsent());
}

TEST_F(OutboxQuota, ClearAndDestructionGiveEverythingBack) {
  reply("12345", request());
  event("/a", 1, request());
  EXPECT_EQ(outstanding(), 2U);
  outbox.clear();
  EXPECT_EQ(outstanding(), 0U);
  EXPECT_EQ(charged(), 0U);
  EXPECT_EQ(outbox.unsent_event_bytes(), 0U);
  {
    Outbox short_lived;
    short_lived.charge_to(guest);
    short_lived.append_reply(reply_header(3), "abc", 0, 0, request());
    EXPECT_EQ(charged(), 19U);
  }
  EXPECT_EQ(charged(), 0U);
  EXPECT_EQ(outstanding(), 0U);
}

TEST_F(OutboxQuota, ARollbackGivesBackWhatItTakes) {
  reply("kept");
  reply("lost", request(), 7);
  event("/lost", 1, request(), 7);
  outbox.rollback(3);
  EXPECT_EQ(outstanding(), 0U);
  EXPECT_EQ(charged(), 20U);
  EXPECT_EQ(texts(), (Texts{"kept"}));
}

}  // namespace
}  // namespace vxs::test
