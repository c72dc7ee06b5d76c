// A disk that is full, fails and tears writes while the daemon is killed on it, seen by clients
// whose connections stay: each request has one answer, what was acknowledged is there, what was
// refused is not, and they go on when the disk does.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "tests/crash/failing_disk.hh"
#include "tests/crash/small_mount.hh"
#include "tests/crash/store_dump.hh"
#include "tests/support/daemon_ready.hh"
#include "tests/support/supervised_daemon.hh"
#include "tests/support/wire_client.hh"

// Preloading a library into an instrumented program changes what it finds of its own.
#if !defined(VXS_ASAN) && !defined(VXS_TSAN)

namespace vxs::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using support::Frame;
using support::SupervisedDaemon;
using support::VxenstoredOptions;
using support::WireClient;
using support::zstrings;

constexpr int kClients = 6;
constexpr int kRequests = 25;  // at a time
constexpr auto kResume = 10s;

// A client that writes numbers to a node of its own, and knows which were acknowledged.
class Writer {
 public:
  Writer(const std::string& socket, int number)
      : client_(socket), path_("/writer/" + std::to_string(number)) {}

  void send(int count) {
    for (int i = 0; i < count; ++i) {
      ++sent_;
      client_.send({.type = support::kWrite,
                    .req_id = sent_,
                    .tx_id = 0,
                    .payload = zstrings({path_}) + std::to_string(sent_)});
    }
  }
  // One answer for each, in order.
  void receive() {
    while (answered_ < sent_) {
      const Frame reply = client_.reply(30s);
      ++answered_;
      ASSERT_EQ(reply.req_id, answered_) << path_;
      if (!reply.is_error()) {
        acknowledged_ = answered_;
      } else {
        ++refused_;
        ASSERT_TRUE(reply.error() == "EIO" || reply.error() == "ENOSPC") << reply.error();
      }
    }
  }
  void expect_what_was_acknowledged() {
    const Frame reply = client_.call(support::kRead, zstrings({path_}));
    const std::string expected = acknowledged_ == 0 ? "ENOENT" : std::to_string(acknowledged_);
    EXPECT_EQ(reply.is_error() ? reply.error() : reply.payload, expected) << path_;
  }
  [[nodiscard]] bool last_was_acknowledged() const { return acknowledged_ == sent_; }
  [[nodiscard]] std::uint32_t refused() const { return refused_; }
  [[nodiscard]] WireClient& client() { return client_; }

 private:
  WireClient client_;
  std::string path_;
  std::uint32_t sent_ = 0, answered_ = 0, acknowledged_ = 0, refused_ = 0;
};

class KeptDisk : public testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() { leave_mount_namespace(); }
  void TearDown() override {
    if (HasFailure() && process_)
      std::printf("the daemons said:\n%s\n", process_->output().c_str());
    writers_.clear();
    if (process_) process_->end(20s);
    mount_.reset();
  }

  static VxenstoredOptions options() { return {.args = {"--durability", GetParam()}}; }
  void connect() {
    for (int i = 0; i < kClients; ++i) {
      writers_.push_back(std::make_unique<Writer>(process_->socket_path(), i));
      writers_.back()->send(1);
      writers_.back()->receive();
    }
  }
  void send_all(int count) {
    for (auto& writer : writers_) writer->send(count);
  }
  void receive_all() {
    for (auto& writer : writers_) ASSERT_NO_FATAL_FAILURE(writer->receive());
    for (auto& writer : writers_) writer->expect_what_was_acknowledged();
  }
  [[nodiscard]] std::uint32_t refused() const {
    std::uint32_t sum = 0;
    for (const auto& writer : writers_) sum += writer->refused();
    return sum;
  }
  void expect_they_go_on() {
    const auto until = Clock::now() + kResume;
    for (auto& writer : writers_) {
      do {
        ASSERT_LT(Clock::now(), until) << "writes are not accepted again";
        writer->send(1);
        ASSERT_NO_FATAL_FAILURE(writer->receive());
        if (!writer->last_was_acknowledged()) std::this_thread::sleep_for(20ms);
      } while (!writer->last_was_acknowledged());
    }
  }

  std::unique_ptr<SupervisedDaemon> process_;
  std::unique_ptr<SmallMount> mount_;
  std::vector<std::unique_ptr<Writer>> writers_;
};

TEST_P(KeptDisk, AFullDiskUnderTheJournalDuringKills_RefusesAndGoesOn) {
  process_ = std::make_unique<SupervisedDaemon>(options());
  ASSERT_TRUE(process_->terminate(20s).has_value());
  std::filesystem::remove_all(process_->journal_dir());
  std::filesystem::remove_all(process_->state_dir());
  // Room for all that is written: a checkpoint cannot be had meanwhile.
  mount_ = std::make_unique<SmallMount>(process_->journal_dir(), 160U << 20);
  process_->restart();
  connect();
  for (int round = 0; round < 2; ++round) {
    mount_->fill();
    // What is reserved already takes some writes; a value of 3,000 bytes each fills it soon.
    WireClient filler(process_->socket_path());
    std::string error;
    for (int i = 0; i < 20'000 && error.empty(); ++i) {
      error = filler.call(support::kWrite, zstrings({"/filler"}) + std::string(3000, 'f')).error();
    }
    EXPECT_EQ(error, "ENOSPC");
    const auto before = refused();
    send_all(kRequests);
    receive_all();
    EXPECT_GT(refused(), before);
    send_all(kRequests);
    (void)process_->strike_daemon();
    mount_->fill();  // what recovery won by cutting its segments may be taken again
    send_all(kRequests);
    receive_all();
    mount_->empty();
    expect_they_go_on();
    (void)process_->strike_daemon();
    send_all(kRequests);
    receive_all();
  }
  EXPECT_EQ(status_value(writers_.front()->client(), "journal"), "ok");
}

// --- a disk that fails and tears -----------------------------------------------

class FailingDiskTest : public KeptDisk {
 protected:
  void SetUp() override {
    page_file_ = dir_.path() + "/page";
    const int fd = ::open(page_file_.c_str(), O_RDWR | O_CREAT, 0600);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(::ftruncate(fd, sizeof(FailingDisk)), 0);
    void* base = ::mmap(nullptr, sizeof(FailingDisk), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    ASSERT_NE(base, MAP_FAILED);
    disk_ = static_cast<FailingDisk*>(base);
    VxenstoredOptions how = options();  // below /tmp: a disk
    how.env["LD_PRELOAD"] =
        support::required_env("VXS_BUILD_DIR") + "/tests/crash/libfailing_disk.so";
    how.env["FAILING_DISK"] = page_file_;
    how.wrapper = of_supervisor();
    process_ = std::make_unique<SupervisedDaemon>(how);
    connect();
  }
  void TearDown() override {
    if (disk_ != nullptr) disk_->kind = DiskFaultKind::kNone;
    KeptDisk::TearDown();
    if (disk_ != nullptr) ::munmap(disk_, sizeof(FailingDisk));
  }
  [[nodiscard]] virtual std::vector<std::string> of_supervisor() const { return {}; }
  void set(DiskFaultKind kind, DiskFaultKind next, int calls) {
    disk_->struck = 0;
    disk_->calls_left = calls;
    disk_->next = next;
    disk_->kind = kind;
  }
  // Load, a fault at some call, more load; a kill on top of it if the fault itself kills nobody.
  void suffer(DiskFaultKind kind, DiskFaultKind next, bool kill) {
    SCOPED_TRACE("fault " + std::to_string(static_cast<int>(kind)) + ", then " +
                 std::to_string(static_cast<int>(next)));
    set(kind, next, static_cast<int>(random_() % 6));
    for (int i = 0; i < 4; ++i) {
      send_all(kRequests / 4);
      std::this_thread::sleep_for(5ms);
    }
    if (kill) (void)process_->strike_daemon();
    send_all(kRequests / 4);
    ASSERT_NO_FATAL_FAILURE(receive_all());
    struck_ += disk_->struck;
    disk_->kind = DiskFaultKind::kNone;
    ASSERT_NO_FATAL_FAILURE(expect_they_go_on());
    (void)process_->strike_daemon();
    for (auto& writer : writers_) writer->expect_what_was_acknowledged();
  }

  support::TempDir dir_;
  std::string page_file_;
  FailingDisk* disk_ = nullptr;
  std::mt19937 random_{11};
  std::uint32_t struck_ = 0;
};

TEST_P(FailingDiskTest, DeathInAWriteOrASyncLosesNothingAndAnswersOnce) {
  for (int round = 0; round < 2; ++round) {
    for (const auto kind : {DiskFaultKind::kDieInWrite, DiskFaultKind::kDieAfterWrite,
                            DiskFaultKind::kDieBeforeSync, DiskFaultKind::kDieAfterSync}) {
      ASSERT_NO_FATAL_FAILURE(suffer(kind, DiskFaultKind::kNone, false));
    }
  }
  EXPECT_GT(struck_, 0U);
  EXPECT_EQ(refused(), 0U) << "a disk that is well again refuses nothing";
}

TEST_P(FailingDiskTest, AFaultDuringAKillIsToldAndNoMore) {
  for (const auto kind : {DiskFaultKind::kNoSpace, DiskFaultKind::kWriteFails,
                          DiskFaultKind::kTornWrite, DiskFaultKind::kSyncFails}) {
    ASSERT_NO_FATAL_FAILURE(suffer(kind, kind, true));
  }
  EXPECT_GT(struck_, 0U);
  EXPECT_GT(refused(), 0U);
}

TEST_P(FailingDiskTest, ATornWriteBeforeTheDeathAndADiskThatStaysBadAfterIt) {
  for (const auto next : {DiskFaultKind::kNoSpace, DiskFaultKind::kWriteFails,
                          DiskFaultKind::kTornWrite, DiskFaultKind::kSyncFails}) {
    ASSERT_NO_FATAL_FAILURE(suffer(DiskFaultKind::kDieInWrite, next, false));
    ASSERT_NO_FATAL_FAILURE(suffer(DiskFaultKind::kDieBeforeSync, next, false));
  }
  EXPECT_GT(struck_, 0U);
}

// --- a disk that hangs -----------------------------------------------------------

class HangingDiskTest : public FailingDiskTest {
 protected:
  [[nodiscard]] std::vector<std::string> of_supervisor() const override {
    return {"--watchdog", "1800"};
  }
  [[nodiscard]] bool says(const std::string& sentence) const {
    return process_->output().find(sentence) != std::string::npos;
  }
};

// Two seconds it waits for the disk at a stop, before a live update and before a hot swap. Whoever
// watches it more closely killed it for that.
TEST_P(HangingDiskTest, Bug_ADaemonThatWaitsForTheDiskIsNotKilledForItsSilence) {
  set(DiskFaultKind::kSyncHangs, DiskFaultKind::kNone, 0);
  send_all(1);
  const auto until = Clock::now() + 30s;
  while (disk_->struck == 0) {
    ASSERT_LT(Clock::now(), until);
    std::this_thread::sleep_for(5ms);
  }
  process_->process().signal(SIGTERM);
  while (!says("the last records did not become safe") && !says("the daemon hangs")) {
    ASSERT_LT(Clock::now(), until);
    std::this_thread::sleep_for(5ms);
  }
  disk_->kind = DiskFaultKind::kNone;
  EXPECT_FALSE(says("the daemon hangs"));
  EXPECT_EQ(process_->process().wait(20s), std::optional<int>(0));
}

INSTANTIATE_TEST_SUITE_P(Durability, HangingDiskTest, testing::Values("disk"),
                         [](const auto& one) { return std::string(one.param); });
INSTANTIATE_TEST_SUITE_P(Durability, KeptDisk, testing::Values("process", "disk"),
                         [](const auto& one) { return std::string(one.param); });
INSTANTIATE_TEST_SUITE_P(Durability, FailingDiskTest, testing::Values("process", "disk"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace vxs::test

#endif
