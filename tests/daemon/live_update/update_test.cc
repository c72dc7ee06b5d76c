// Live update from vxenstored to another vxenstored, by xenstore-control (issue 4, H4 to H7).
#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/daemon/live_update/update_fixture.hh"

namespace vxs::test {
namespace {

using support::Event;
using support::Frame;
using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(LiveUpdate, H5_H7_ACopyOfOursTakesOverAndNobodyNotices) {
  const std::string next = copy_of_ours("next");
  WireClient one = client();
  WireClient watcher = client();
  ASSERT_EQ(write(one, "/a", "1"), "");
  ASSERT_EQ(watcher.call(support::kWatch, zstrings({"/a", "token"})).error(), "");
  ASSERT_EQ(watcher.drain().size(), 1U);
  const std::uint32_t tx = begin(one);
  ASSERT_EQ(write(one, "/in", "transaction", tx), "");
  WireClient half = client();
  const std::string frame = support::encode(
      {.type = support::kWrite, .req_id = 9, .tx_id = 0, .payload = zstrings({"/half"}) + "all"});
  half.send_bytes(frame.substr(0, 18));
  std::this_thread::sleep_for(50ms);
  const pid_t supervisor_pid = supervisor.pid();

  const Result result = update({next});
  EXPECT_EQ(result.code, 0) << result.output;
  EXPECT_EQ(result.output, "");
  EXPECT_EQ(program(), next);
  EXPECT_EQ(supervisor.pid(), supervisor_pid);
  EXPECT_TRUE(supervisor.process().running());

  half.send_bytes(frame.substr(18));
  EXPECT_EQ(half.reply().req_id, 9U);
  EXPECT_EQ(read(one, "/in"), "ENOENT");
  EXPECT_EQ(read(one, "/in", tx), "transaction");
  EXPECT_EQ(commit(one, tx), "") << "transactions stay open";
  EXPECT_EQ(read(one, "/in"), "transaction");
  EXPECT_EQ(write(one, "/a", "2"), "");
  EXPECT_THAT(watcher.drain(), testing::Contains(Event{"/a", "token"}));
  EXPECT_THAT(supervisor.output(), HasSubstr("live update: clients waited "));
}

TEST_F(LiveUpdate, H5_TheNewProgramIsWhatIsStartedAgain) {
  const std::string next = copy_of_ours("next");
  WireClient one = client();
  ASSERT_EQ(write(one, "/a", "1"), "");
  ASSERT_EQ(update({next}).code, 0);
  kill_daemon();
  EXPECT_EQ(read(one, "/a"), "1");
  EXPECT_EQ(program(), next);
  // And back, to the one that was built.
  const std::string built = std::string(std::getenv("VXS_BUILD_DIR")) + "/daemon/vxenstored";
  EXPECT_EQ(update({built}).code, 0);
  EXPECT_EQ(read(one, "/a"), "1");
  kill_daemon();
  EXPECT_EQ(read(one, "/a"), "1");
  EXPECT_THAT(program(), HasSubstr("/daemon/vxenstored"));
}

// A supervisor that is started because the one before died knows the first program only.
TEST_F(LiveUpdate, Bug_TheNextSupervisorStartsTheNewProgramToo) {
  const std::string next = copy_of_ours("next");
  WireClient one = client();
  ASSERT_EQ(write(one, "/a", "1"), "");
  ASSERT_EQ(update({next}).code, 0);
  const pid_t served_by = daemon();
  ASSERT_EQ(::kill(supervisor.pid(), SIGKILL), 0);
  ASSERT_TRUE(eventually(
      [&] { return supervisor.output().find("going on for one that died") != std::string::npos; }));
  EXPECT_EQ(read(one, "/a"), "1");
  std::this_thread::sleep_for(200ms);  // it is being told what there is
  ASSERT_EQ(::kill(served_by, SIGKILL), 0);
  EXPECT_EQ(read(one, "/a"), "1");
  // All that is left of this daemon runs the new program: end it, supervisor first.
  std::ifstream file(supervisor.dir() + "/pid");
  pid_t other = 0;
  ASSERT_TRUE(file >> other);
  const std::string pid = std::to_string(other);
  pid_t child = 0;
  std::ifstream("/proc/" + pid + "/task/" + pid + "/children") >> child;
  ASSERT_GT(child, 0);
  EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(child) + "/exe"), next);
  ::kill(other, SIGTERM);
  EXPECT_TRUE(eventually([&] { return ::kill(child, 0) != 0; }));
}

TEST_F(LiveUpdate, H4_ANewCommandLineIsUsed) {
  const std::string next = copy_of_ours("next");
  WireClient one = client();
  ASSERT_EQ(write(one, "/a", "1"), "");
  const std::string words = "--xen off --state-dir " + supervisor.state_dir() + "  --journal-dir " +
                            supervisor.journal_dir() + " -E 77 ";
  const Result result = update({"-c", words, "-t", "5", "-F", next});
  EXPECT_EQ(result.code, 0) << result.output;
  EXPECT_EQ(read(one, "/a"), "1");
  const Frame quota = one.call(support::kControl, zstrings({"quota"}));
  EXPECT_THAT(quota.payload, HasSubstr("77"));
}

// What the request is about survives its process: whenever that is killed, it is answered, once.
TEST_F(LiveUpdate, H5_TheRequestIsAnsweredOnceWheneverTheDaemonIsKilled) {
  const std::string even = copy_of_ours("even");
  const std::string odd = copy_of_ours("odd");
  WireClient one = client();
  WireClient watcher = client();
  ASSERT_EQ(watcher.call(support::kWatch, zstrings({"/n", "t"})).error(), "");
  const std::uint32_t tx = begin(one);
  ASSERT_EQ(write(one, "/kept", "open all the time", tx), "");
  int took_place = 0;
  int failed = 0;
  constexpr int kRounds = 24;
  for (int i = 0; i < kRounds; ++i) {
    SCOPED_TRACE(i);
    // Asked by hand, to see one reply too many.
    WireClient asker = client();
    const std::string next = i % 2 == 0 ? even : odd;
    ASSERT_EQ(asker.call(support::kControl, zstrings({"live-update", "-f", next})).payload,
              std::string("OK\0", 3));
    asker.send({.type = support::kControl,
                .req_id = 77,
                .tx_id = 0,
                .payload = zstrings({"live-update", "-s"})});
    const bool undisturbed = i % 6 == 5;
    if (!undisturbed) {
      std::this_thread::sleep_for(std::chrono::milliseconds(i * i));
      kill_daemon();
    }
    const Frame reply = asker.reply(60s);
    EXPECT_EQ(reply.req_id, 77U);
    EXPECT_FALSE(reply.is_error()) << reply.error();
    const bool ok = reply.payload == std::string("OK\0", 3);
    EXPECT_TRUE(ok || !undisturbed) << reply.payload;
    ok ? ++took_place : ++failed;
    EXPECT_FALSE(asker.receive(20ms).has_value()) << "one reply too many";
    EXPECT_EQ(write(one, "/n", std::to_string(i)), "");
    EXPECT_EQ(read(watcher, "/n"), std::to_string(i));
  }
  std::printf("%d took place, %d did not\n", took_place, failed);
  EXPECT_EQ(commit(one, tx), "");
  EXPECT_EQ(read(one, "/kept"), "open all the time");
  EXPECT_GT(failed, 0) << "no kill was early enough";
}

class LiveUpdateDisk : public LiveUpdate {
 protected:
  LiveUpdateDisk() : LiveUpdate({"--durability", "disk"}, "/tmp") {}
};

TEST_F(LiveUpdateDisk, H5_WhatTheDiskHoldsBackIsFinishedFirst) {
  const std::string next = copy_of_ours("next");
  WireClient one = client();
  ASSERT_EQ(write(one, "/a", "1"), "");
  for (int i = 0; i < 3; ++i) {
    Asking asking(supervisor.dir(), {next});
    for (int k = 0; k < 50; ++k) ASSERT_EQ(write(one, "/a", std::to_string(k)), "");
    EXPECT_EQ(asking.end(), 0) << asking.output();
    EXPECT_EQ(read(one, "/a"), "49");
  }
}

}  // namespace
}  // namespace vxs::test
