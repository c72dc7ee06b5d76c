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
  /// The update of a program that is started, and does not take over.
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
  expect_fall_back({dummy()}, "it ended with status 7");
  let_dummy("exit 0");
  expect_fall_back({dummy()}, "it ended with status 0");
}

TEST_F(LiveUpdateRefused, H5_AProgramThatDies) {
  let_dummy("signal 9");
  expect_fall_back({dummy()}, "it died of signal 9");
}

TEST_F(LiveUpdateRefused, H5_AProgramThatIsCutShort) {
  const std::string cut = copy_of_ours("cut");
  std::filesystem::resize_file(cut, 256 * 1024);  // its note, and some of its code
  expect_fall_back({cut}, "it ");
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
  expect_fall_back({"-c", "--nonsense", copy_of_ours("next")}, "it ended with status 1");
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

TEST_F(LiveUpdateHangs, H5_AProgramThatHangsIsEnded) {
  let_dummy("hang");
  expect_fall_back({dummy()}, "it had not taken over in time");
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
