// Log lines reach their place.
#include <gmock/gmock.h>
#include <signal.h>

#include "tests/daemon/shell/tiny_daemon.hh"

namespace vxs::testing_shell {
namespace {

class Log : public TinyDaemonTest {};

TEST_F(Log, ForegroundWritesTimeLevelAndTextToStandardError) {
  support::ChildProcess daemon = start_ready({});
  EXPECT_THAT(output(),
              ::testing::MatchesRegex("[0-9-]+T[0-9:]+[.][0-9]+[+-][0-9:]+ info: ready\n"));
}

TEST_F(Log, LinesQueuedAtAnOrderlyEndAreWritten) {
  support::ChildProcess daemon = start_ready({});
  daemon.signal(SIGTERM);
  EXPECT_EQ(exit_code(daemon), 0);
  EXPECT_THAT(output(), ::testing::HasSubstr("info: leaving\n"));
}

TEST_F(Log, DaemonFormWritesNothingToStandardError) {
  support::ChildProcess parent = start({"-F", in("pid")});
  ASSERT_EQ(exit_code(parent), 0);
  const int pid = std::atoi(read_text(in("pid")).c_str());
  ASSERT_GT(pid, 0);
  ::kill(pid, SIGTERM);
  EXPECT_TRUE(eventually([&] { return ::kill(pid, 0) != 0; }));
  EXPECT_EQ(output(), "");
}

}  // namespace
}  // namespace vxs::testing_shell
