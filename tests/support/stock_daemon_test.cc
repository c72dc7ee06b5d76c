#include "tests/support/stock_daemon.hh"

#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>

#include "tests/support/temp_dir.hh"
#include "tests/support/wire_client.hh"

namespace vxs::support {
namespace {

class StockDaemonTest : public ::testing::Test {
 protected:
  TempDir dir_;
};

TEST_F(StockDaemonTest, CDaemonServesItsSocketAndHasTheInitialTreeOfC7) {
  const StockDaemon daemon = StockDaemon::start_c(dir_.path());
  WireClient client(daemon.socket_path());
  EXPECT_EQ(client.call(kRead, zstrings({"/"})), (Frame{kRead, 1, 0, ""}));
  EXPECT_EQ(client.call(kDirectory, zstrings({"/"})).payload, zstrings({"tool"}));
  EXPECT_EQ(client.call(kRead, zstrings({"/tool/xenstored"})).payload, "");
}

TEST_F(StockDaemonTest, OxenstoredServesItsSocketAndHasTheInitialTreeOfC7) {
  const StockDaemon daemon = StockDaemon::start_oxenstored(dir_.path());
  WireClient client(daemon.socket_path());
  EXPECT_EQ(client.call(kRead, zstrings({"/"})), (Frame{kRead, 1, 0, ""}));
  EXPECT_EQ(client.call(kRead, zstrings({"/tool/xenstored"})).payload,
            "/usr/lib/xen-4.17/bin/oxenstored");
}

// B8, check 4: an entry for a domain Xen does not know makes SET_PERMS fail
// only when it is the first one.
TEST_F(StockDaemonTest, CDaemonKnowsExactlyTheDomainsOfTheFakeHypervisor) {
  const StockDaemon daemon = StockDaemon::start_c(dir_.path(), "2,5-6");
  WireClient client(daemon.socket_path());
  ASSERT_FALSE(client.call(kWrite, std::string("/a\0v", 4)).is_error());
  const auto give_to = [&](const char* perm) {
    return client.call(kSetPerms, zstrings({"/a", perm})).error();
  };
  EXPECT_EQ(give_to("n1"), "ENOENT");
  EXPECT_EQ(give_to("n2"), "");
  EXPECT_EQ(give_to("n4"), "ENOENT");
  EXPECT_EQ(give_to("n5"), "");
  EXPECT_EQ(give_to("n6"), "");
  EXPECT_EQ(give_to("n7"), "ENOENT");
}

TEST_F(StockDaemonTest, TwoDaemonsOfEachKindLiveSideBySide) {
  const StockDaemon c1 = StockDaemon::start_c(dir_.path() + "/c1");
  const StockDaemon c2 = StockDaemon::start_c(dir_.path() + "/c2");
  const StockDaemon o1 = StockDaemon::start_oxenstored(dir_.path() + "/o1");
  const StockDaemon o2 = StockDaemon::start_oxenstored(dir_.path() + "/o2");
  for (const StockDaemon* daemon : {&c1, &c2, &o1, &o2}) {
    WireClient client(daemon->socket_path());
    EXPECT_EQ(client.call(kRead, zstrings({"/mine"})).error(), "ENOENT");
    EXPECT_FALSE(client.call(kWrite, std::string("/mine\0v", 7)).is_error());
  }
}

TEST_F(StockDaemonTest, DestructorEndsTheDaemon) {
  pid_t pid = 0;
  {
    const StockDaemon daemon = StockDaemon::start_c(dir_.path());
    pid = daemon.pid();
    EXPECT_EQ(kill(pid, 0), 0);
  }
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST_F(StockDaemonTest, StartReportsTheOutputOfADaemonThatDoesNotComeUp) {
  std::filesystem::create_directories(dir_.path() + "/socket/blocked");
  try {
    StockDaemon::start_c(dir_.path());
    FAIL() << "started although its socket cannot be bound";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("exited with"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace vxs::support
