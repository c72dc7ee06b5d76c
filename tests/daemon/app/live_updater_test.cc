#include "daemon/app/live_updater.hh"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "tests/daemon/core/core_fixture.hh"

namespace vxs::test {
namespace {

using namespace std::chrono_literals;

class LiveUpdaterTest : public CoreTest {
 protected:
  LiveUpdaterTest() { server.live_update().set_host(&updater); }

  bool busy = true;
  int checkpoints = 0;
  int stops = 0;
  daemon::LiveUpdater updater{
      server.live_update(), nullptr, 60s,
      daemon::LiveUpdater::Hooks{.obstacle = [] { return std::string(); },
                                 .checkpoint_busy = [this] { return busy; },
                                 .start_checkpoint =
                                     [this] {
                                       ++checkpoints;
                                       return true;
                                     },
                                 .begin_hash = [] {},
                                 .hash_busy = [] { return false; },
                                 .stop = [this]() -> tl::expected<daemon::UpdateNote, std::string> {
                                   ++stops;
                                   return tl::unexpected(std::string("stopped"));
                                 },
                                 .forget_hash = [] {},
                                 .forget_note = [] {}}};
};

// Bug: a disk that hung while a checkpoint was written left `live-update -s` without an answer.
TEST_F(LiveUpdaterTest, Bug_H5_ACheckpointThatHangsIsWaitedForAsLongAsToldOnly) {
  const std::string file = std::string(std::getenv("VXS_BUILD_DIR")) + "/daemon/vxenstored";
  daemon::Connection& requester = connect();
  ASSERT_EQ(call(requester, wire::kControl, zstrings({"live-update", "-f", file})), "OK");
  begin(requester, wire::kControl, zstrings({"live-update", "-s", "-t", "1"}));
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_FALSE(updater.pass());
  EXPECT_TRUE(take(requester).empty()) << "it waits";
  while (!updater.pass() && std::chrono::steady_clock::now() < begun + 20s) {
    std::this_thread::sleep_for(5ms);
  }
  const auto answer = take(requester);
  ASSERT_EQ(answer.size(), 1U);
  EXPECT_EQ(answer[0], "The checkpoint that the new program begins with was not written in time.");
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 1s);
  EXPECT_EQ(checkpoints + stops, 0);
  // The next one finds a disk that works.
  busy = false;
  ASSERT_EQ(call(requester, wire::kControl, zstrings({"live-update", "-f", file})), "OK");
  begin(requester, wire::kControl, zstrings({"live-update", "-s", "-t", "1"}));
  EXPECT_FALSE(updater.pass());
  EXPECT_EQ(checkpoints, 1);
}

}  // namespace
}  // namespace vxs::test
