// The soak's parts by themselves.
#include <gtest/gtest.h>

#include <string>

#include "tests/crash/kept/board.hh"
#include "tests/crash/kept/conversation.hh"
#include "tests/crash/kept/pauses.hh"
#include "tests/crash/kept/resources.hh"

namespace vxs::test::kept {
namespace {

using std::chrono::milliseconds;
using support::encode;
using support::Frame;
using support::zstrings;

const std::string kOk("OK\0", 3);

class KeptConversation : public testing::Test {
 protected:
  void ask(std::uint32_t type, const std::string& expected) {
    talk_.ask(type, zstrings({"/a"}), 0, [expected](const Frame& reply) {
      return reply.payload == expected ? std::string() : "expected was " + expected;
    });
  }
  void send_all() { talk_.left(talk_.leaving(at(0)).size(), at(0)); }
  void reply(std::uint32_t type, const std::string& payload, std::uint32_t req_id = 0) {
    talk_.arrived(encode({type, req_id, 0, payload}), at(5));
  }
  static Time at(int ms) { return Time{} + milliseconds(ms); }

  std::vector<support::Event> events_;
  Conversation talk_{false, [this](const support::Event& event) { events_.push_back(event); }, {}};
};

TEST_F(KeptConversation, TakesRepliesInOrderAndEventsBetween) {
  ask(support::kRead, "1");
  ask(support::kWrite, kOk);
  send_all();
  reply(support::kRead, "1");
  talk_.arrived(encode({support::kWatchEvent, 0, 0, zstrings({"/a", "t"})}), at(5));
  EXPECT_EQ(talk_.unanswered(), 1U);
  reply(support::kWrite, kOk);
  EXPECT_EQ(talk_.unanswered(), 0U);
  EXPECT_EQ(events_, (std::vector<support::Event>{{"/a", "t"}}));
}

TEST_F(KeptConversation, SeesAnotherOrderWithRequestIdZeroByWhatIsAnswered) {
  ask(support::kRead, "1");
  ask(support::kRead, "2");
  send_all();
  EXPECT_THROW(reply(support::kRead, "2"), Violation);
}

TEST_F(KeptConversation, SeesAReplyThatNobodyAskedFor) {
  ask(support::kRead, "1");
  send_all();
  reply(support::kRead, "1");
  EXPECT_THROW(reply(support::kRead, "1"), Violation);
}

TEST_F(KeptConversation, SeesAReplyToWhatWasNotSentWhole) {
  talk_.split_next(17, at(100));
  ask(support::kRead, "1");
  EXPECT_EQ(talk_.leaving(at(0)).size(), 17U);
  send_all();
  EXPECT_FALSE(talk_.waiting_since().has_value());
  EXPECT_TRUE(talk_.leaving(at(99)).empty());
  EXPECT_EQ(talk_.leaving(at(100)).size(), 2U);
  EXPECT_THROW(reply(support::kRead, "1"), Violation);
}

TEST_F(KeptConversation, SendsTheRestOfASplitRequest) {
  talk_.split_next(3, at(100));
  ask(support::kRead, "1");
  ask(support::kRead, "2");
  std::string sent(talk_.leaving(at(0)));
  talk_.left(sent.size(), at(0));
  EXPECT_EQ(sent.size(), 3U);
  const std::string rest(talk_.leaving(at(100)));
  talk_.left(rest.size(), at(100));
  const std::string request = encode({support::kRead, 0, 0, zstrings({"/a"})});
  EXPECT_EQ(sent + rest, request + request);
  reply(support::kRead, "1");
  reply(support::kRead, "2");
  EXPECT_EQ(talk_.unanswered(), 0U);
}

TEST_F(KeptConversation, SeesAnotherTypeAnotherTransactionAndAnotherId) {
  ask(support::kRead, "1");
  send_all();
  EXPECT_THROW(reply(support::kDirectory, "1"), Violation);
  EXPECT_THROW(reply(support::kRead, "1", 9), Violation);
  EXPECT_THROW(talk_.arrived(encode({support::kRead, 0, 3, "1"}), at(1)), Violation);
}

TEST_F(KeptConversation, SeesBytesThatAreNoFrameAndEventsThatAreNone) {
  EXPECT_THROW(talk_.arrived(std::string(16, 'x'), at(0)), Violation);
  Conversation other(false, [](const support::Event&) {}, {});
  EXPECT_THROW(other.arrived(encode({support::kWatchEvent, 0, 0, "/a"}), at(0)), Violation);
}

TEST_F(KeptConversation, ShowsItsLastExchangesAndWhatIsUnanswered) {
  ask(support::kRead, "1");
  ask(support::kMkdir, "1");
  send_all();
  reply(support::kRead, "1");
  talk_.note("killed 1", at(6));
  const std::string history = talk_.history();
  EXPECT_NE(history.find("> READ"), std::string::npos) << history;
  EXPECT_NE(history.find("< READ"), std::string::npos) << history;
  EXPECT_NE(history.find("- killed 1"), std::string::npos) << history;
  EXPECT_NE(history.find("unanswered: MKDIR"), std::string::npos) << history;
}

TEST(KeptPair, CountsOkOnceAndEagainNotAtAll) {
  Pair pair;
  for (int n = 0; n < 3; ++n) pair.commit_sent();
  EXPECT_EQ(pair.judge("3", 0), "");
  EXPECT_NE(pair.judge("4", 0), "");
  pair.committed(1);
  pair.refused();
  EXPECT_EQ(pair.judge("2", 1), "");
  EXPECT_NE(pair.judge("0", 1), "");
  EXPECT_NE(pair.judge("3", 1), "");
  EXPECT_NE(pair.judge("one", 0), "");
  EXPECT_THROW(pair.committed(1), Violation);
}

TEST(KeptPair, AllowsForAnUnknownEnd) {
  Pair pair;
  pair.commit_sent();
  pair.forgotten();
  EXPECT_EQ(pair.judge("0", 0), "");
  EXPECT_EQ(pair.judge("1", 0), "");
  EXPECT_NE(pair.judge("2", 0), "");
}

TEST(KeptBeat, GoesOnOnlyAfterAllHeard) {
  const Time zero{};
  Beat beat;
  EXPECT_TRUE(beat.may_go_on());
  beat.listen("w1.1", zero);
  EXPECT_FALSE(beat.may_go_on());
  EXPECT_EQ(beat.late(zero, zero + milliseconds(5), milliseconds(10)), "");
  EXPECT_NE(beat.late(zero, zero + milliseconds(11), milliseconds(10)), "");
  beat.heard("w1.1", 0);
  EXPECT_EQ(beat.late(zero, zero + milliseconds(11), milliseconds(10)), "");
  EXPECT_TRUE(beat.may_go_on());
  EXPECT_EQ(beat.sent(), 1U);
  EXPECT_FALSE(beat.may_go_on());
  beat.acknowledged(zero + milliseconds(20));
  EXPECT_FALSE(beat.may_go_on());
  EXPECT_NE(beat.late(zero, zero + milliseconds(31), milliseconds(10)), "");
  // The daemon was not there until then.
  EXPECT_EQ(beat.late(zero + milliseconds(21), zero + milliseconds(31), milliseconds(10)), "");
  beat.heard("w1.1", 1);
  EXPECT_TRUE(beat.may_go_on());
  EXPECT_EQ(beat.late(zero, zero + milliseconds(31), milliseconds(10)), "");
}

TEST(KeptPauses, AreFromTheKillToTheAnswerAndTheLongestCounts) {
  const auto at = [](int ms) { return Time{} + milliseconds(ms); };
  Pauses pauses;
  pauses.answered(at(0), at(90));  // no kill
  pauses.killed(at(100));
  pauses.answered(at(99), at(103));
  pauses.killed(at(104));  // in recovery: the same pause
  pauses.answered(at(50), at(108));
  pauses.served(at(107));
  pauses.answered(at(109), at(150));  // asked of the new one
  pauses.killed(at(200));
  pauses.served(at(202));
  pauses.finish();
  EXPECT_EQ(pauses.longest(), (std::vector<double>{8, 0}));
  EXPECT_EQ(pauses.restarts(), (std::vector<double>{7, 2}));
}

TEST(KeptGrowth, SeesWhatGrowsBeyondTheSlack) {
  Growth growth("it", {.descriptors = 2, .mappings = 10, .resident_kb = 100});
  EXPECT_EQ(growth.add({10, 50, 1000}, 4), "");
  EXPECT_EQ(growth.add({16, 60, 1100}, 8), "");
  EXPECT_NE(growth.add({16, 50, 1000}, 4), "");
  EXPECT_NE(growth.add({10, 61, 1000}, 4), "");
  EXPECT_NE(growth.add({10, 50, 1101}, 4), "");
  ASSERT_TRUE(held_by(getpid()));
  EXPECT_GT(held_by(getpid())->descriptors, 2);
  EXPECT_GT(held_by(getpid())->mappings, 5);
  EXPECT_GT(held_by(getpid())->resident_kb, 500);
}

}  // namespace
}  // namespace vxs::test::kept
