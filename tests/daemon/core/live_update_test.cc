// CONTROL live-update: whose session it is, what it answers, and when.
#include <gmock/gmock.h>

#include "tests/daemon/core/core_fixture.hh"

namespace vxs::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class FakeHost final : public daemon::UpdateHost {
 public:
  File look_at(const std::string& file) override {
    if (file == "/missing") return File::kNotAccessible;
    return file == "/text" ? File::kNotExecutable : File::kGood;
  }
  std::optional<std::string> begin(const daemon::UpdateOrder& order) override {
    orders.push_back(order);
    return refusal;
  }
  void cancel() override { ++cancelled; }
  void answered() override { ++told; }

  std::optional<std::string> refusal;
  std::vector<daemon::UpdateOrder> orders;
  int cancelled = 0;
  int told = 0;
};

class LiveUpdate : public CoreTest {
 protected:
  LiveUpdate() { server.live_update().set_host(&host); }

  template <typename... Words>
  static std::string request(Words... words) {
    return zstrings({"live-update", words...});
  }
  template <typename... Words>
  std::string ask(daemon::Connection& from, Words... words) {
    return call(from, wire::kControl, request(words...));
  }
  // Begins an update that stays under way.
  void start_one(daemon::Connection& from) {
    ASSERT_EQ(ask(from, "-f", "/new"), "OK");
    begin(from, wire::kControl, request("-s"));
    ASSERT_THAT(take(from), IsEmpty());
  }

  FakeHost host;
  daemon::Connection& one = connect();
  daemon::Connection& other = connect();
};

TEST_F(LiveUpdate, H4_TheFileIsLookedAtAndBeginsTheSession) {
  EXPECT_EQ(ask(one, "-f", "/missing"), "File not accessible.");
  EXPECT_EQ(ask(one, "-f", "/text"), "File not executable.");
  EXPECT_EQ(ask(one, "-s"), "Not in live-update session.");
  EXPECT_EQ(ask(one, "-f", "/new"), "OK");
  EXPECT_EQ(ask(one, "-f", "/new"), "live-update session already active.");
}

TEST_F(LiveUpdate, H4_TheSessionIsBoundToItsConnection) {
  ASSERT_EQ(ask(one, "-f", "/new"), "OK");
  EXPECT_EQ(ask(other, "-f", "/new"), "live-update session already active.");
  EXPECT_EQ(ask(other, "-c", "-N"), "Not in live-update session.");
  EXPECT_EQ(ask(other, "-s"), "Not in live-update session.");
  EXPECT_THAT(host.orders, IsEmpty());
  server.remove_connection(one);
  EXPECT_EQ(ask(other, "-f", "/new"), "OK");
}

TEST_F(LiveUpdate, H4_AbortEndsTheSessionWhoeverAsks) {
  EXPECT_EQ(ask(one, "-a"), "No live-update session active.");
  ASSERT_EQ(ask(one, "-f", "/new"), "OK");
  EXPECT_EQ(ask(other, "-a"), "OK");
  EXPECT_EQ(ask(one, "-s"), "Not in live-update session.");
}

TEST_F(LiveUpdate, H4_SyntaxErrorsAreEinval) {
  EXPECT_EQ(call(one, wire::kControl, zstrings({"live-update"})), "EINVAL");
  EXPECT_EQ(ask(one, "-x"), "EINVAL");
  EXPECT_EQ(ask(one, "-f"), "EINVAL");
  EXPECT_EQ(ask(one, "-f", "/new", "/more"), "EINVAL");
  EXPECT_EQ(ask(one, "-c"), "EINVAL");
  EXPECT_EQ(ask(one, "-a", "now"), "EINVAL");
  ASSERT_EQ(ask(one, "-f", "/new"), "OK");
  EXPECT_EQ(ask(one, "-s", "-t"), "EINVAL");
  EXPECT_EQ(ask(one, "-s", "soon"), "EINVAL");
  EXPECT_THAT(host.orders, IsEmpty());
}

TEST_F(LiveUpdate, H4_GuestsMayNot) {
  daemon::Connection& guest = connect(5);
  EXPECT_EQ(ask(guest, "-f", "/new"), "EACCES");
  EXPECT_EQ(ask(guest, "-a"), "EACCES");
}

TEST_F(LiveUpdate, H4_TheOrderSaysWhatWasAskedFor) {
  ASSERT_EQ(ask(one, "-f", "/new"), "OK");
  ASSERT_EQ(ask(one, "-c", "-E 5"), "OK");
  host.refusal = "Not today.";
  EXPECT_EQ(ask(one, "-s", "-t", "17", "-F", "-v", "2"), "Not today.");
  ASSERT_EQ(host.orders.size(), 1U);
  const auto& order = host.orders.front();
  EXPECT_EQ(order.connection, one.id());
  EXPECT_EQ(order.ordinal, one.ordinal);
  EXPECT_EQ(order.file, "/new");
  EXPECT_EQ(order.command_line, "-E 5");
  EXPECT_EQ(order.timeout_s, 17U);
  EXPECT_TRUE(order.force);
  EXPECT_EQ(order.version, 2U);
  EXPECT_EQ(ask(one, "-s"), "Not in live-update session.") << "a refusal ends it";
}

TEST_F(LiveUpdate, H4_AVersionThatIsNoneIsRefusedAndTheSessionGoesOn) {
  ASSERT_EQ(ask(one, "-f", "/new"), "OK");
  for (const char* version : {"0", "3", "-1", "4294967298", "garbage", ""}) {
    EXPECT_EQ(ask(one, "-s", "-v", version), "Migration stream version not supported.") << version;
  }
  EXPECT_EQ(ask(one, "-s", "-v"), "EINVAL");
  EXPECT_THAT(host.orders, IsEmpty());
  host.refusal = "Not today.";
  EXPECT_EQ(ask(one, "-s", "-v", "1"), "Not today.");
}

TEST_F(LiveUpdate, H5_L12_StartIsAnsweredWhenItIsOverAndNothingElseBefore) {
  start_one(one);
  EXPECT_FALSE(server.ready_for(one));
  EXPECT_EQ(write(other, "/a", "1"), "OK") << "others go on";
  server.live_update().finish("It did not work.");
  EXPECT_THAT(take(one), ElementsAre("It did not work."));
  EXPECT_TRUE(server.ready_for(one));
  EXPECT_EQ(ask(one, "-a"), "No live-update session active.");
  server.live_update().finish("Twice.");
  EXPECT_THAT(take(one), IsEmpty());
}

TEST_F(LiveUpdate, H4_AbortAnswersTheStartThatWaits) {
  start_one(one);
  EXPECT_EQ(ask(other, "-a"), "OK");
  EXPECT_EQ(host.cancelled, 1);
  EXPECT_THAT(take(one), ElementsAre("Live update was aborted."));
}

TEST_F(LiveUpdate, H4_TheEndOfTheConnectionCancels) {
  start_one(one);
  server.remove_connection(one);
  EXPECT_EQ(host.cancelled, 1);
  EXPECT_EQ(ask(other, "-f", "/new"), "OK");
}

// What the next process does with the request that the last one left unanswered.
TEST_F(LiveUpdate, H5_TheNextProcessAnswersTheRequestItIsAbout) {
  server.live_update().set_outcome({one.id(), one.ordinal + 2, "OK"});
  EXPECT_EQ(ask(one, "-s"), "Not in live-update session.") << "an earlier one";
  EXPECT_EQ(ask(one, "-s"), "OK");
  EXPECT_EQ(host.told, 1);
  EXPECT_EQ(ask(one, "-s"), "Not in live-update session.") << "once";
  EXPECT_THAT(host.orders, IsEmpty());
}

TEST_F(LiveUpdate, H5_AnOutcomeNobodyWaitsForIsForgotten) {
  server.live_update().set_outcome({one.id(), one.ordinal + 1, "OK"});
  server.remove_connection(one);
  EXPECT_EQ(host.told, 1);
}

TEST_F(LiveUpdate, H2_HelpNamesItsParameters) {
  const std::string text = call(one, wire::kControl, zstrings({"help"}));
  EXPECT_NE(text.find("live-update     [-c <cmdline>] [-F] [-t <timeout>] <file>\n"),
            std::string::npos)
      << text;
}

}  // namespace
}  // namespace vxs::test
