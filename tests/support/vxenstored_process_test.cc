#include "tests/support/vxenstored_process.hh"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

#include "tests/support/daemon_ready.hh"
#include "tests/support/wire_client.hh"

namespace vxs::support {
namespace {

class VxenstoredProcessTest : public ::testing::Test {};

// A test that skipped then looked like one that passed.
TEST_F(VxenstoredProcessTest, Bug_WithoutTheProgramATestFailsAndSaysWhatToBuild) {
  const std::string build = required_env("VXS_BUILD_DIR");
  const TempDir empty;
  setenv("VXS_BUILD_DIR", empty.path().c_str(), 1);
  try {
    const VxenstoredProcess daemon;
    ADD_FAILURE() << "it started";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("ninja vxenstored"), std::string::npos)
        << error.what();
  }
  setenv("VXS_BUILD_DIR", build.c_str(), 1);
}

TEST_F(VxenstoredProcessTest, KeepsEverythingItWritesInItsDirectory) {
  const VxenstoredProcess daemon;
  WireClient client(daemon.socket_path());
  EXPECT_FALSE(client.call(kWrite, std::string("/a\0v", 4)).is_error());
  EXPECT_EQ(access(daemon.state_dir().c_str(), F_OK), 0);
  EXPECT_EQ(access(daemon.journal_dir().c_str(), F_OK), 0);
}

TEST_F(VxenstoredProcessTest, RestartAfterKill9FindsWhatWasAcknowledged) {
  VxenstoredProcess daemon;
  const pid_t first = daemon.pid();
  WireClient(daemon.socket_path()).call(kWrite, std::string("/a\0v", 4));
  daemon.kill9();
  daemon.restart();
  EXPECT_NE(daemon.pid(), first);
  EXPECT_EQ(WireClient(daemon.socket_path()).call(kRead, zstrings({"/a"})).payload, "v");
}

TEST_F(VxenstoredProcessTest, TerminateEndsItWithExitCode0) {
  VxenstoredProcess daemon;
  const auto status = daemon.terminate();
  ASSERT_TRUE(status);
  EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 0) << daemon.output();
}

TEST_F(VxenstoredProcessTest, StartReportsTheOutputOfADaemonThatRefusesItsOptions) {
  VxenstoredOptions options;
  options.args = {"--no-such-option"};
  try {
    const VxenstoredProcess daemon(options);
    FAIL() << "started with an unknown option";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("no-such-option"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace vxs::support
