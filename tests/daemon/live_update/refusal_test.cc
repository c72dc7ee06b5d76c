// Live updates that cannot be, and new programs that do not take over: the old one goes on.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "tests/daemon/live_update/update_fixture.hh"

namespace vxs::test {
namespace {

using support::Frame;
using testing::HasSubstr;
using testing::Not;

/// A client with something to lose.
struct Session {
  explicit Session(WireClient connected) : client(std::move(connected)) {
    (void)client.call(support::kWrite, zstrings({"/mine"}) + "1");
    tx = static_cast<std::uint32_t>(
        std::stoul(client.call(support::kTransactionStart, zstrings({""})).payload));
    (void)client.call(support::kWrite, zstrings({"/later"}) + "2", tx);
  }
  void expect_nothing_lost() {
    EXPECT_EQ(client.call(support::kRead, zstrings({"/mine"})).payload, "1");
    EXPECT_EQ(client.call(support::kTransactionEnd, zstrings({"T"}), tx).error(), "");
    EXPECT_EQ(client.call(support::kRead, zstrings({"/later"})).payload, "2");
  }
  WireClient client;
  std::uint32_t tx = 0;
};

class LiveUpdateRefused : public LiveUpdate {
 protected:
  explicit LiveUpdateRefused(std::vector<std::string> more = {}) : LiveUpdate(std::move(more)) {}
  /// The update of a program that fails before its turn has come: nobody waits for it.
  void expect_no_turn(std::vector<std::string> words, const std::string& why) {
    expect_refusal(std::move(words),
                   "The new program did not take over, the old one goes on: " + why);
  }
  /// Of one that does not take over when it has.
  void expect_fall_back(std::vector<std::string> words, const std::string& why) {
    Session session(client());
    const pid_t before = daemon();
    const Result result = update(std::move(words));
    EXPECT_EQ(result.code, 3);
    EXPECT_THAT(result.output, HasSubstr("The new program did not take over, the old one goes on"));
    EXPECT_THAT(result.output, HasSubstr(why));
    expect_the_old_one_goes_on(before);
    session.expect_nothing_lost();
  }
  /// One that is not even tried.
  void expect_refusal(std::vector<std::string> words, const std::string& why) {
    Session session(client());
    const pid_t before = daemon();
    const Result result = update(std::move(words));
    EXPECT_EQ(result.code, 3);
    EXPECT_THAT(result.output, HasSubstr(why));
    EXPECT_EQ(daemon(), before);
    session.expect_nothing_lost();
  }
};

TEST_F(LiveUpdateRefused, H4_AFileThatIsNotThereOrNotExecutable) {
  expect_refusal({supervisor.dir() + "/missing"}, "File not accessible.");
  std::ofstream(supervisor.dir() + "/text") << "text\n";
  expect_refusal({supervisor.dir() + "/text"}, "File not executable.");
  expect_refusal({supervisor.dir()}, "File not executable.");
}

TEST_F(LiveUpdateRefused, H4_AnotherLiveUpdateSession) {
  WireClient other = client();
  ASSERT_EQ(other.call(support::kControl, zstrings({"live-update", "-f", dummy()})).payload,
            std::string("OK\0", 3));
  expect_refusal({dummy()}, "live-update session already active.");
}

TEST_F(LiveUpdateRefused, H5_AProgramThatEnds) {
  let_dummy("exit 7");
  expect_no_turn({dummy()}, "it ended with status 7");
  let_dummy("exit 0");
  expect_no_turn({dummy()}, "it ended with status 0");
}

TEST_F(LiveUpdateRefused, H5_AProgramThatEndsInItsTurn) {
  let_dummy("turn exit 7");
  expect_fall_back({dummy()}, "it ended with status 7");
  let_dummy("turn exit 0");
  expect_fall_back({dummy()}, "it ended with status 0");
}

TEST_F(LiveUpdateRefused, H5_AProgramThatDies) {
  let_dummy("signal 9");
  expect_no_turn({dummy()}, "it died of signal 9");
  let_dummy("turn signal 9");
  expect_fall_back({dummy()}, "it died of signal 9");
}

TEST_F(LiveUpdateRefused, H5_AProgramThatIsCutShort) {
  const std::string cut = copy_of_ours("cut");
  std::filesystem::resize_file(cut, 256 * 1024);  // its note, and some of its code
  expect_no_turn({cut}, "it ");
}

TEST_F(LiveUpdateRefused, H5_AnotherJournalIsAnotherState) {
  expect_fall_back({"-c",
                    "--xen off --state-dir " + supervisor.state_dir() + " --journal-dir " +
                        supervisor.dir() + "/other",
                    copy_of_ours("next")},
                   "its state is that at Seq 0");
}

TEST_F(LiveUpdateRefused, H5_OptionsThatWouldEndConnections) {
  expect_fall_back({"-c",
                    "--connections volatile --xen off --state-dir " + supervisor.state_dir() +
                        " --journal-dir " + supervisor.journal_dir(),
                    copy_of_ours("next")},
                   "connections are volatile");
}

TEST_F(LiveUpdateRefused, H5_OptionsThatAreNone) {
  expect_no_turn({"-c", "--nonsense", copy_of_ours("next")}, "it ended with status 1");
}

// Equal numbers of records, and another tree.
TEST_F(LiveUpdateRefused, H5_AnotherTreeAtTheSameSeq) {
  support::VxenstoredOptions options;
  options.parent_dir = "/dev/shm";
  support::VxenstoredProcess other(options);
  const auto seq = [](WireClient& client) {
    const std::string text = client.call(support::kControl, zstrings({"vxs-status"})).payload;
    return std::stoul(text.substr(text.find("seq: ") + 5));
  };
  WireClient here = client();
  WireClient there(other.socket_path());
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(write(here, "/value", "one"), "");
    ASSERT_EQ(write(there, "/value", "two"), "");
  }
  while (seq(here) < seq(there)) ASSERT_EQ(write(here, "/value", "one"), "");
  while (seq(there) < seq(here)) ASSERT_EQ(write(there, "/value", "two"), "");
  other.kill9();
  const pid_t before = daemon();
  const Result result = update(
      {"-c",
       "--xen off --state-dir " + supervisor.state_dir() + " --journal-dir " + other.journal_dir(),
       copy_of_ours("next")});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.output, HasSubstr("its tree is not the old one's"));
  expect_the_old_one_goes_on(before);
  EXPECT_EQ(read(here, "/value"), "one");
}

class LiveUpdateHangs : public LiveUpdateRefused {
 protected:
  LiveUpdateHangs() : LiveUpdateRefused({"-w", "update=2"}) {}
};

TEST_F(LiveUpdateHangs, H5_AProgramThatHangsInItsTurnIsEnded) {
  let_dummy("turn hang");
  expect_fall_back({dummy()}, "it had not taken over in time");
}

// While the new program prepares itself the old one serves as if there were none.
TEST_F(LiveUpdateHangs, H5_AProgramThatHangsBeforeKeepsNobodyWaiting) {
  let_dummy("hang");
  WireClient other = client();
  const pid_t before = daemon();
  Asking asking(supervisor.dir(), {dummy()});
  ASSERT_TRUE(eventually([&] { return children().size() == 2; }));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(write(other, "/n", std::to_string(i)), "");
  EXPECT_EQ(asking.end(), 3);
  EXPECT_THAT(asking.output(), HasSubstr("it had not taken over in time"));
  EXPECT_EQ(daemon(), before);
  EXPECT_TRUE(eventually([&] { return children().size() == 1; })) << "it is ended";
  EXPECT_EQ(read(other, "/n"), "99");
}

class LiveUpdatePrepares : public LiveUpdate {};

// What was started ahead goes when nobody waits for it any more.
TEST_F(LiveUpdatePrepares, H5_AbortedOrTheRequesterGone) {
  let_dummy("hang");
  WireClient other = client();
  {
    Asking asking(supervisor.dir(), {dummy()});
    ASSERT_TRUE(eventually([&] { return children().size() == 2; }));
    EXPECT_EQ(other.call(support::kControl, zstrings({"live-update", "-a"})).payload,
              std::string("OK\0", 3));
    EXPECT_EQ(asking.end(), 3);
    EXPECT_THAT(asking.output(), HasSubstr("aborted"));
    EXPECT_TRUE(eventually([&] { return children().size() == 1; }));
  }
  {
    WireClient requester = client();
    ASSERT_EQ(requester.call(support::kControl, zstrings({"live-update", "-f", dummy()})).payload,
              std::string("OK\0", 3));
    requester.send({.type = support::kControl,
                    .req_id = 1,
                    .tx_id = 0,
                    .payload = zstrings({"live-update", "-s"})});
    ASSERT_TRUE(eventually([&] { return children().size() == 2; }));
  }
  EXPECT_TRUE(eventually([&] { return children().size() == 1; }));
  EXPECT_EQ(update({copy_of_ours("next")}).code, 0);
}

TEST_F(LiveUpdatePrepares, H5_TheOldOneIsKilled) {
  let_dummy("hang");
  WireClient one = client();
  ASSERT_EQ(write(one, "/a", "1"), "");
  Asking asking(supervisor.dir(), {dummy()});
  ASSERT_TRUE(eventually([&] { return children().size() == 2; }));
  const pid_t before = daemon();
  kill_daemon();
  EXPECT_EQ(read(one, "/a"), "1");
  EXPECT_NE(daemon(), before);
  EXPECT_THAT(program(), HasSubstr("/daemon/vxenstored"));
  EXPECT_EQ(asking.end(), 3);
  EXPECT_TRUE(eventually([&] { return children().size() == 1; }));
}

TEST_F(LiveUpdatePrepares, I5_AStopEndsItToo) {
  let_dummy("hang");
  const Asking asking(supervisor.dir(), {dummy()});
  ASSERT_TRUE(eventually([&] { return children().size() == 2; }));
  const std::string stat = "/proc/" + std::to_string(children().back()) + "/stat";
  EXPECT_TRUE(supervisor.terminate(20s));
  const auto gone = [&] {
    std::string text;
    std::getline(std::ifstream(stat), text);
    return text.empty() || text.find(") Z ") != std::string::npos;  // until init looks
  };
  EXPECT_TRUE(eventually(gone));
}

class LiveUpdateVolatile : public LiveUpdateRefused {
 protected:
  LiveUpdateVolatile() : LiveUpdateRefused({"--connections", "volatile"}) {}
};

TEST_F(LiveUpdateVolatile, H5_ConnectionsThatWouldEndAreNotGivenUp) {
  expect_refusal({copy_of_ours("next")}, "Connections are volatile");
}

}  // namespace
}  // namespace vxs::test
