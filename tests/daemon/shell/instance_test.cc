// One user per socket, state directory, journal directory and pid file; the second one is told
// who the first is.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>

#include "daemon/process/descriptor.hh"
#include "tests/daemon/shell/tiny_daemon.hh"

namespace vxs::testing_shell {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class SecondInstance : public TinyDaemonTest {
 protected:
  /// What a second instance says that shares exactly what `arguments` and the run directory say.
  std::string refusal(const std::vector<std::string>& arguments, const std::string& rundir) {
    auto all = arguments;
    all.insert(all.begin(), "-N");
    support::ChildProcess second = start(all, {{"XENSTORED_RUNDIR", in(rundir)}}, "second");
    EXPECT_EQ(exit_code(second), 1) << read_text(in("second"));
    return read_text(in("second"));
  }

  static auto names(const support::ChildProcess& holder) {
    return AllOf(HasSubstr("pid " + std::to_string(holder.pid()) + " ("), HasSubstr("tiny_daemon"));
  }
};

TEST_F(SecondInstance, SharingTheSocketIsToldWhoAnswersThere) {
  support::ChildProcess first = start_ready({});
  // Everything else is its own.
  support::ChildProcess second = start(
      {"-N"}, {{"XENSTORED_RUNDIR", in("other")}, {"XENSTORED_PATH", in("run/socket")}}, "second");
  EXPECT_EQ(exit_code(second), 1);
  EXPECT_THAT(read_text(in("second")), AllOf(HasSubstr("socket"), names(first)));
  EXPECT_TRUE(first.running());
}

TEST_F(SecondInstance, SharingTheStateDirectoryIsToldTheHolder) {
  support::ChildProcess first = start_ready({"--state-dir", in("s")});
  EXPECT_THAT(refusal({"--state-dir", in("s")}, "other"),
              AllOf(HasSubstr("state directory"), HasSubstr(in("s")), names(first)));
}

TEST_F(SecondInstance, SharingTheJournalDirectoryIsToldTheHolder) {
  support::ChildProcess first = start_ready({"--journal-dir", in("j")});
  EXPECT_THAT(refusal({"--journal-dir", in("j")}, "other"),
              AllOf(HasSubstr("journal directory"), HasSubstr(in("j")), names(first)));
}

TEST_F(SecondInstance, I8_SharingThePidFileIsToldTheHolderAndLeavesItAlone) {
  support::ChildProcess first = start_ready({"-F", in("pid")});
  EXPECT_THAT(refusal({"-F", in("pid")}, "other"),
              AllOf(HasSubstr("pid file"), HasSubstr(in("pid")), names(first)));
  EXPECT_EQ(read_text(in("pid")), std::to_string(first.pid()) + "\n");
}

TEST_F(SecondInstance, SharingNothingStarts) {
  support::ChildProcess first = start_ready({"-F", in("pid")});
  support::ChildProcess second = start({"-N"}, {{"XENSTORED_RUNDIR", in("other")}}, "second");
  EXPECT_TRUE(
      eventually([&] { return read_text(in("second")).find("ready") != std::string::npos; }));
}

TEST_F(SecondInstance, AfterKillNineTheNextOneTakesOver) {
  support::ChildProcess first = start_ready({"-F", in("pid")});
  first.kill9();
  EXPECT_EQ(read_text(in("pid")), std::to_string(first.pid()) + "\n");
  support::ChildProcess second = start({"-N", "-F", in("pid")}, {}, "second");
  ASSERT_TRUE(
      eventually([&] { return read_text(in("second")).find("ready") != std::string::npos; }));
  EXPECT_EQ(read_text(in("pid")), std::to_string(second.pid()) + "\n");
}

// kill(1) returns long before the killed process has given its locks and sockets back.
TEST_F(SecondInstance, RightAfterKillNineItWaitsForTheDyingOne) {
  for (int round = 0; round < 5; ++round) {
    const std::string name = "round" + std::to_string(round);
    support::ChildProcess first = start(
        {"-N", "-F", in("pid")}, {{"TINY_LINGER", "1"}, {"TINY_REPORT", in(name + ".r")}}, name);
    ASSERT_TRUE(eventually([&] { return read_text(in(name)).find("ready") != std::string::npos; }))
        << read_text(in(name));
    first.signal(SIGKILL);  // and nobody waits for it
    support::ChildProcess second = start({"-N", "-F", in("pid")}, {}, name + "-next");
    EXPECT_TRUE(eventually([&] {
      return read_text(in(name + "-next")).find("ready") != std::string::npos;
    })) << read_text(in(name + "-next"));
    second.kill9();
  }
}

class Directories : public TinyDaemonTest {
 protected:
  [[nodiscard]] unsigned mode_of(const std::string& name) const {
    struct stat status {};
    return ::stat(in(name).c_str(), &status) == 0 ? status.st_mode & 07777U : 0U;
  }
};

TEST_F(Directories, A3_I12_AreCreatedWithTheirModes) {
  support::ChildProcess daemon = start_ready({"-F", in("pids/deep/pid")});
  EXPECT_EQ(mode_of("run"), 0755U);
  EXPECT_EQ(mode_of("run/socket"), 0600U);
  EXPECT_EQ(mode_of("pids/deep"), 0755U);
  EXPECT_EQ(mode_of("run/state"), 0700U);
  EXPECT_EQ(mode_of("run/journal"), 0700U);
}

TEST_F(Directories, ThatCannotBeMadeAreAnErrorWithTheName) {
  { std::ofstream(in("file")) << "x"; }
  support::ChildProcess daemon = start({"-N", "--state-dir", in("file/state")});
  EXPECT_EQ(exit_code(daemon), 1);
  EXPECT_THAT(output(), AllOf(HasSubstr(in("file")), HasSubstr("Not a directory")));
}

}  // namespace
}  // namespace vxs::testing_shell
