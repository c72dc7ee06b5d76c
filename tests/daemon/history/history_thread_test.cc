// How the history thread ends: with everything visible, or at once when patience is over.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "daemon/history/history_thread.hh"
#include "tests/support/temp_dir.hh"

namespace vxs::daemon {
namespace {

class HistoryThreadTest : public testing::Test {
 protected:
  HistoryThreadTest() : tree_(stats_, list_, list_, list_) {
    store::JournalOptions options;
    options.directory = dir_.path() + "/journal";
    options.durability = store::Durability::kMemory;
    options.boot_id = "boot";
    store::RecoveryReport report;
    journal_ = store::open_journal(*env_, options, perms_, tree_, report, [] {}).value();
  }

  // Commits for the thread to follow; they are in the journal before it starts.
  void commit(Seq count) {
    for (Seq i = 0; i < count; ++i) {
      const std::string path = "/" + std::to_string(i);
      const std::vector<store::Change> changes = {{.kind = store::ChangeKind::kCreate,
                                                   .implicit = false,
                                                   .path = path,
                                                   .value = "v",
                                                   .perms = list_}};
      ASSERT_TRUE(journal_->append(store::CommitRecord{
          .seq = journal_->last_seq() + 1, .time_us = 1'700'000'000'000'000, .changes = changes}));
    }
  }

  // Everything posted runs at once, on the thread that posts.
  [[nodiscard]] std::unique_ptr<HistoryThread> make() {
    store::HistoryOptions options;
    options.repository = dir_.path() + "/history.git";
    options.host = "host";
    options.boot_id = "boot";
    options.version = "0";
    options.sync = false;
    return std::make_unique<HistoryThread>(
        *env_, options, *journal_,
        HistoryThread::Hooks{
            .post = [](const auto& task) { task(); },
            .pin = [] { return HistorySnapshot{}; },
            .unpin = [] {},
            .durable = [this](Seq seq) { durable_ = seq; },
            .say = [](bool error,
                      const std::string& sentence) { EXPECT_FALSE(error) << sentence; }});
  }

  support::TempDir dir_{"/dev/shm"};
  std::unique_ptr<store::Env> env_ = store::make_posix_env();
  store::PermTable perms_;
  store::TreeStats stats_;
  store::PermRef list_ = perms_.intern(std::vector<protocol::PermEntry>{{}});
  store::Tree tree_;
  std::unique_ptr<store::Journal> journal_;
  std::atomic<Seq> durable_ = 0;
};

TEST_F(HistoryThreadTest, StopWithPatienceMakesEverythingVisible) {
  commit(2000);
  auto thread = make();
  thread->start(0, 0);
  thread->stop(60'000, [] {});
  EXPECT_EQ(thread->durable_seq(), 2000U);
  thread.reset();
  EXPECT_EQ(durable_, 2000U);
}

// It went on to the end of the journal, however far that was, and the daemon's stop with it.
TEST_F(HistoryThreadTest, AnAbandonedThreadEndsWithoutCatchingUpAndTheNextOneDoes) {
  const Seq count = 10'000;
  commit(count);
  auto thread = make();
  thread->start(0, 0);
  thread->stop(0, [] {});
  thread.reset();
  EXPECT_LT(durable_, count);

  thread = make();
  thread->start(0, 0);
  thread->stop(100'000, [] {});
  EXPECT_EQ(thread->durable_seq(), count) << "nothing is lost by it";
}

}  // namespace
}  // namespace vxs::daemon
