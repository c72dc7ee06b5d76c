// What a checkpoint gets of the sessions: as they were when it began, though requests go on.
#include "daemon/core/system_capture.hh"

#include <gtest/gtest.h>

#include <random>

#include "tests/daemon/core/core_fixture.hh"

namespace vxs::test {
namespace {

class SystemCaptureTest : public CoreTest {
 protected:
  daemon::Connection& keep() {
    daemon::Connection::Peer peer;
    peer.id = server.new_connection_id();
    peer.caller.privileged = true;
    peer.kept = true;
    return *connections.emplace_back(&server.add_connection(std::move(peer)));
  }
  void watch(daemon::Connection& connection, int number) {
    const std::string path = "/local/domain/" + std::to_string(number % 7) + "/state";
    (void)call(connection, wire::kWatch, zstrings({path, std::to_string(number)}));
  }
  void unwatch(daemon::Connection& connection, int number) {
    const std::string path = "/local/domain/" + std::to_string(number % 7) + "/state";
    (void)call(connection, wire::kUnwatch, zstrings({path, std::to_string(number)}));
  }
  void go(std::size_t index) {
    server.session_closed(*connections[index]);
    server.remove_connection(*connections[index]);
    connections.erase(connections.begin() + static_cast<std::ptrdiff_t>(index));
  }
  void step(std::mt19937& random) {
    if (connections.empty()) keep();
    const std::size_t index = random() % connections.size();
    daemon::Connection& one = *connections[index];
    switch (random() % 10) {
      case 0:
        keep();
        break;
      case 1:
        go(index);
        break;
      case 2:
        (void)call(one, wire::kResetWatches, zstrings({""}));
        break;
      case 3:
      case 4:
      case 5:
        unwatch(one, static_cast<int>(random() % 20));
        break;
      default:
        watch(one, static_cast<int>(random() % 20));
        break;
    }
  }

  std::vector<daemon::Connection*> connections;
};

TEST_F(SystemCaptureTest, ItIsTheStateOfTheBeginningWhateverHappensMeanwhile) {
  std::mt19937 random(7);
  auto& capture = server.system_capture();
  std::size_t changed = 0;
  for (int i = 0; i < 300; ++i) step(random);
  for (int round = 0; round < 60; ++round) {
    const auto expected = server.lifecycle().capture();
    server.lifecycle().begin_capture(capture);
    bool done = false;
    while (!done) {
      for (auto steps = random() % 8; steps > 0; --steps) step(random);
      done = capture.gather(1 + random() % 5);
    }
    ASSERT_TRUE(capture.take() == expected) << round;
    ASSERT_EQ(server.lifecycle().state_hash(), store::state_hash(server.lifecycle().capture()));
    EXPECT_FALSE(capture.running());
    changed += server.lifecycle().capture() == expected ? 0 : 1;
  }
  EXPECT_GT(changed, 40U);
}

TEST_F(SystemCaptureTest, APieceCopiesAsManyWatchesAsItWasTold) {
  for (int i = 0; i < 100; ++i) {
    auto& one = keep();
    for (int watches = 0; watches < 9; ++watches) watch(one, watches);
  }
  auto& capture = server.system_capture();
  server.lifecycle().begin_capture(capture);
  int pieces = 1;
  while (!capture.gather(50)) ++pieces;  // of five connections each
  EXPECT_EQ(pieces, 20);
  EXPECT_EQ(capture.take().connections.size(), 100U);
}

TEST_F(SystemCaptureTest, OneThatIsGivenUpLeavesNothingForTheNext) {
  auto& one = keep();
  watch(one, 1);
  auto& capture = server.system_capture();
  server.lifecycle().begin_capture(capture);
  EXPECT_TRUE(capture.gather(100));
  capture.cancel();
  EXPECT_FALSE(capture.running());
  unwatch(one, 1);
  server.lifecycle().begin_capture(capture);
  EXPECT_TRUE(capture.gather(100));
  EXPECT_TRUE(capture.take().connections.empty());
}

}  // namespace
}  // namespace vxs::test
