// Real faults of real file systems: full and read-only disks under the journal and under the
// history. Nothing acknowledged is lost, reads go on, writes are refused and come back by
// themselves. Needs root, for mounts that nobody else sees.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <thread>

#include "tests/crash/failing_disk.hh"
#include "tests/crash/repository.hh"
#include "tests/crash/small_mount.hh"
#include "tests/crash/store_dump.hh"
#include "tests/support/daemon_ready.hh"
#include "tests/support/vxenstored_process.hh"
#include "tests/support/wire_client.hh"

namespace vxs::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using support::VxenstoredOptions;
using support::VxenstoredProcess;
using support::WireClient;
using support::zstrings;

constexpr std::uint64_t kMiB = 1U << 20;
// Issue 2, point 6: "resumes within 2 s after space returns"; on a machine that has time for it.
// Each test records what it took (resume_ms).
constexpr auto kResume = 6s;

class DiskFault : public testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() { leave_mount_namespace(); }

  void TearDown() override {
    if (daemon_) daemon_->kill9();
    mount_.reset();
    cover_.reset();
  }

  // A daemon whose `place` ("journal", "state", "state/history.git") is a little tmpfs.
  void start_on_small(const std::string& place, std::uint64_t bytes,
                      const std::string& durability) {
    VxenstoredOptions options;
    options.args = {"--durability", durability};
    daemon_ = std::make_unique<VxenstoredProcess>(options);
    daemon_->kill9();
    fs::remove_all(daemon_->journal_dir());
    fs::remove_all(daemon_->state_dir());
    mount_ = std::make_unique<SmallMount>(daemon_->dir() + "/" + place, bytes);
    daemon_->restart();
    client_ = std::make_unique<WireClient>(daemon_->socket_path());
  }

  void restart() {
    client_.reset();
    daemon_->restart();
    client_ = std::make_unique<WireClient>(daemon_->socket_path());
  }

  // Writes, and then nothing runs and the journal is as if it had been lost.
  void leave_the_history_only() {
    for (int i = 0; i < 60; ++i) ASSERT_EQ(write_next(), "");
    ASSERT_NO_FATAL_FAILURE(expect_history_follows());
    client_.reset();
    daemon_->kill9();
    for (const auto& entry : fs::directory_iterator(daemon_->journal_dir())) {
      fs::remove_all(entry.path());
    }
  }

  // One write to one of 50 nodes; remembered if it was acknowledged.
  std::string write_next() {
    ++writes_;
    const std::string path = "/fault/k" + std::to_string(writes_ % 50);
    std::string value = std::to_string(writes_) + std::string(3500, 'v');
    const auto reply = client_->call(support::kWrite, zstrings({path}) + value);
    if (!reply.is_error()) acknowledged_[path] = std::move(value);
    return reply.error();
  }

  // Writes until one is refused.
  std::string write_until_refused(int most = 40'000) {
    for (int i = 0; i < most; ++i) {
      if (auto error = write_next(); !error.empty()) return error;
    }
    return "never refused";
  }

  void expect_acknowledged_is_there() {
    for (const auto& [path, value] : acknowledged_) {
      const auto reply = client_->call(support::kRead, zstrings({path}));
      EXPECT_EQ(reply.error(), "") << path;
      EXPECT_TRUE(reply.payload == value) << path << " is " << shown(reply.payload);
    }
  }

  void expect_writes_resume() {
    const auto begin = Clock::now();
    while (!write_next().empty()) {
      ASSERT_LT(Clock::now() - begin, kResume) << daemon_->output();
      std::this_thread::sleep_for(20ms);
    }
    RecordProperty("resume_ms", static_cast<int>((Clock::now() - begin) / 1ms));
    EXPECT_EQ(status_value(*client_, "journal"), "ok");
  }

  void expect_history_follows(std::chrono::seconds patience = 20s) {
    const auto until = Clock::now() + patience;
    while (status_value(*client_, "history") != "ok" ||
           status_number(*client_, "history-seq") < status_number(*client_, "seq")) {
      ASSERT_LT(Clock::now(), until) << daemon_->output();
      std::this_thread::sleep_for(50ms);
    }
    EXPECT_EQ(fsck(daemon_->history_dir()), "");
    EXPECT_EQ(compare_with_history(daemon_->history_dir(), dump_store(*client_)), "");
  }

  // Waits a little: a state shows before the sentence about it is written.
  bool said(const std::string& what) const {
    for (int i = 0; i < 100; ++i) {
      if (daemon_->output().find(what) != std::string::npos) return true;
      std::this_thread::sleep_for(20ms);
    }
    return false;
  }

  std::unique_ptr<VxenstoredProcess> daemon_;
  std::unique_ptr<SmallMount> mount_;
  std::unique_ptr<ReadOnlyCover> cover_;
  std::unique_ptr<WireClient> client_;
  std::map<std::string, std::string> acknowledged_;
  std::uint64_t writes_ = 0;
};

TEST_P(DiskFault, JournalDiskFull_EnospcReadsGoOnResumesNothingLost) {
  start_on_small("journal", 40 * kMiB, GetParam());
  ASSERT_EQ(write_next(), "");
  mount_->fill();
  EXPECT_EQ(write_until_refused(), "ENOSPC");
  for (int i = 0; i < 50; ++i) EXPECT_EQ(write_next(), "ENOSPC");
  expect_acknowledged_is_there();
  EXPECT_EQ(status_value(*client_, "journal"), "failing");
  EXPECT_TRUE(said("refusing writes with ENOSPC")) << daemon_->output();
  const auto before = dump_store(*client_);

  mount_->empty();
  expect_writes_resume();
  EXPECT_TRUE(said("writes are accepted again")) << daemon_->output();
  expect_acknowledged_is_there();
  restart();
  expect_acknowledged_is_there();
  EXPECT_EQ(dump_store(*client_).size(), before.size());
  expect_history_follows();
}

TEST_P(DiskFault, JournalDiskFull_KilledMeanwhile_StartsAndServesReadsOnTheFullDisk) {
  start_on_small("journal", 40 * kMiB, GetParam());
  ASSERT_EQ(write_next(), "");
  mount_->fill();
  EXPECT_EQ(write_until_refused(), "ENOSPC");
  const auto before = dump_store(*client_);
  client_.reset();
  daemon_->kill9();
  mount_->fill();  // what recovery may have won by cutting its segments is taken again below
  restart();
  EXPECT_EQ(difference(before, dump_store(*client_)), "");
  mount_->fill();
  EXPECT_EQ(write_until_refused(), "ENOSPC");
  expect_acknowledged_is_there();
  mount_->empty();
  expect_writes_resume();
  restart();
  expect_acknowledged_is_there();
  expect_history_follows();
}

// Bug: the start failed, since the state of the history was to be written first.
TEST_P(DiskFault, Bug_JournalDiskFull_AStartFromTheHistoryServesReads) {
  start_on_small("journal", 40 * kMiB, GetParam());
  ASSERT_NO_FATAL_FAILURE(leave_the_history_only());
  mount_->fill();
  restart();
  EXPECT_TRUE(said("READ-ONLY")) << daemon_->output();
  expect_acknowledged_is_there();
  EXPECT_EQ(write_next(), "ENOSPC");
  EXPECT_EQ(status_value(*client_, "journal"), "failing");
  mount_->empty();
  EXPECT_EQ(write_next(), "ENOSPC") << "the next start would not find it";
  restart();
  expect_acknowledged_is_there();
  EXPECT_EQ(write_next(), "");
  restart();
  expect_acknowledged_is_there();
  expect_history_follows();
}

// Bug: the start failed, since the state was to be written with numbers above the history's first.
TEST_P(DiskFault, Bug_JournalDiskFull_AHistoryOfAnotherTimeIsLeftAloneAndTheStateServed) {
  start_on_small("journal", 40 * kMiB, GetParam());
  ASSERT_NO_FATAL_FAILURE(leave_the_history_only());
  acknowledged_.clear();
  const auto args = daemon_->options().args;
  daemon_->options().args.insert(daemon_->options().args.end(), {"--history", "off"});
  restart();
  for (int i = 0; i < 5; ++i) ASSERT_EQ(write_next(), "");
  daemon_->options().args = args;
  // Not mount_->fill(): recovery cuts its segments, and so makes room.
  const std::string page = daemon_->dir() + "/failing-disk";
  const auto fail_with = [&page](DiskFaultKind kind) {
    const std::array<std::uint32_t, 4> words{static_cast<std::uint32_t>(kind)};
    static_assert(sizeof words == sizeof(FailingDisk));
    std::fstream(page, std::ios::in | std::ios::out | std::ios::binary)
        .write(reinterpret_cast<const char*>(words.data()), sizeof words);
  };
  std::ofstream(page) << std::string(sizeof(FailingDisk), '\0');
  daemon_->options().env["LD_PRELOAD"] =
      support::required_env("VXS_BUILD_DIR") + "/tests/crash/libfailing_disk.so";
  daemon_->options().env["FAILING_DISK"] = page;
  for (const bool is_full : {true, false}) {
    SCOPED_TRACE(is_full);
    client_.reset();
    daemon_->kill9();
    fail_with(is_full ? DiskFaultKind::kNoSpace : DiskFaultKind::kNone);
    restart();
    EXPECT_EQ(dump_store(*client_).count("/fault/k20"), 0U);
    expect_acknowledged_is_there();
    EXPECT_EQ(status_value(*client_, "history") == "off", is_full);
    fail_with(DiskFaultKind::kNone);
    expect_writes_resume();
  }
  expect_acknowledged_is_there();
  expect_history_follows();
}

TEST_P(DiskFault, JournalDirectoryReadOnly_EioOnceTheSegmentIsFull_Resumes) {
  start_on_small("journal", 100 * kMiB, GetParam());
  ASSERT_EQ(write_next(), "");
  cover_ = std::make_unique<ReadOnlyCover>(daemon_->journal_dir());
  EXPECT_EQ(write_until_refused(), "EIO");
  expect_acknowledged_is_there();
  EXPECT_TRUE(said("refusing writes with EIO")) << daemon_->output();
  cover_.reset();
  expect_writes_resume();
  restart();
  expect_acknowledged_is_there();
  expect_history_follows();
}

TEST_P(DiskFault, JournalReadOnlyAtTheStart_ReadsAreServed_WritesResumeAfterRemount) {
  start_on_small("journal", 60 * kMiB, GetParam());
  ASSERT_EQ(write_next(), "");
  const auto before = dump_store(*client_);
  client_.reset();
  daemon_->kill9();
  mount_->set_read_only(true);
  restart();
  EXPECT_EQ(difference(before, dump_store(*client_)), "");
  EXPECT_EQ(write_next(), "EIO");
  EXPECT_EQ(status_value(*client_, "journal"), "failing");
  mount_->set_read_only(false);
  expect_writes_resume();
  restart();
  expect_acknowledged_is_there();
  expect_history_follows();
}

INSTANTIATE_TEST_SUITE_P(Durability, DiskFault, testing::Values("process", "disk"),
                         [](const auto& info) { return info.param; });

class HistoryFault : public DiskFault {};

TEST_P(HistoryFault, HistoryDiskFull_TheStoreGoesOnAndHistoryContinues) {
  start_on_small("state/history.git", 4 * kMiB, GetParam());
  ASSERT_EQ(write_next(), "");
  expect_history_follows();
  const auto head = main_head(daemon_->history_dir());
  mount_->fill();
  const auto until = Clock::now() + 20s;
  while (status_value(*client_, "history") != "failing") {
    ASSERT_EQ(write_next(), "");
    ASSERT_LT(Clock::now(), until) << daemon_->output();
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_TRUE(said("history is not being written")) << daemon_->output();
  for (int i = 0; i < 200; ++i) ASSERT_EQ(write_next(), "");
  expect_acknowledged_is_there();

  mount_->empty();
  expect_history_follows();
  EXPECT_TRUE(main_commits(daemon_->history_dir()).contains(head));
  restart();
  expect_acknowledged_is_there();
  expect_history_follows();
}

TEST_P(HistoryFault, HistoryReadOnly_TheStoreGoesOnAndHistoryContinues) {
  start_on_small("state/history.git", 16 * kMiB, GetParam());
  ASSERT_EQ(write_next(), "");
  expect_history_follows();
  const auto head = main_head(daemon_->history_dir());
  cover_ = std::make_unique<ReadOnlyCover>(daemon_->history_dir());
  const auto until = Clock::now() + 20s;
  while (status_value(*client_, "history") != "failing") {
    ASSERT_EQ(write_next(), "");
    ASSERT_LT(Clock::now(), until) << daemon_->output();
    std::this_thread::sleep_for(5ms);
  }
  expect_acknowledged_is_there();
  // A start finds it so, and serves.
  restart();
  expect_acknowledged_is_there();
  ASSERT_EQ(write_next(), "");
  cover_.reset();
  expect_history_follows();
  EXPECT_TRUE(main_commits(daemon_->history_dir()).contains(head));
}

INSTANTIATE_TEST_SUITE_P(Durability, HistoryFault, testing::Values("process", "disk"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace vxs::test
