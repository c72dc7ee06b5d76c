// What the writer keeps in memory, and that it makes no difference to what it writes.
#include <malloc.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "tests/store/history/failing_env.hh"
#include "tests/store/history/history_fixture.hh"

namespace vxs::history_test {
namespace {

constexpr std::size_t kSmallCache = 32U << 10U;

class HistoryMemoryTest : public HistoryFixture {
 protected:
  HistoryMemoryTest() { scenario.keep_versions = true; }

  // Domains with devices, written to in a random order.
  void make_records(int domains, int writes) {
    for (int domain = 1; domain <= domains; ++domain) {
      for (int device = 0; device < 3; ++device) {
        scenario.write(path(domain, device), "0");
      }
    }
    std::mt19937_64 random(7);
    for (int i = 0; i < writes; ++i) {
      scenario.write(path(1 + static_cast<int>(random() % static_cast<unsigned>(domains)),
                          static_cast<int>(random() % 3)),
                     std::to_string(i));
    }
  }
  static std::string path(int domain, int device) {
    return "/local/domain/" + std::to_string(domain) + "/device/vif/" + std::to_string(device) +
           "/state";
  }
  // Adds and publishes in batches of different sizes; returns the most the cache had.
  std::uint64_t write_all() {
    std::uint64_t most = 0;
    std::size_t batch = 0;
    for (added = 0; added < scenario.records().size(); ++added) {
      add(scenario.records()[added]);
      most = std::max(most, writer->stats().cache_bytes);
      if (++batch % 57 == 0) publish();
    }
    publish();
    return most;
  }
  std::string head() { return git_ok(repository, "rev-parse main"); }
  void start_over(std::function<void(store::HistoryOptions&)> with) {
    writer.reset();
    std::filesystem::remove_all(repository);
    adjust = std::move(with);
    reopen();
  }
};

TEST_F(HistoryMemoryTest, ColdDirectoriesAreDroppedAndTheCommitsAreTheSame) {
  make_records(60, 600);
  const std::uint64_t whole = write_all();
  const std::string expected = head();
  ASSERT_GT(whole, 4 * kSmallCache);  // or there would be nothing to drop

  start_over([](store::HistoryOptions& options) { options.cache_bytes = kSmallCache; });
  EXPECT_LE(write_all(), kSmallCache / 4 * 5);
  EXPECT_EQ(head(), expected);
  EXPECT_EQ(complaints(repository), "");
}

TEST_F(HistoryMemoryTest, RandomRecordsGiveTheSameCommitsWithHardlyAnyMemory) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 500; ++i) scenario.random_step(random);
  write_all();
  const std::string expected = head();
  start_over([](store::HistoryOptions& options) {
    options.cache_bytes = 1024;
    options.pack_bytes = 1500;  // every pack is streamed
  });
  write_all();
  EXPECT_EQ(head(), expected);
  EXPECT_EQ(complaints(repository), "");
  EXPECT_EQ(shell("ls '" + repository + "/vxenstored/tmp'").text, "");
}

TEST_F(HistoryMemoryTest, ASnapshotIsStreamedAndIsTheSameCommit) {
  make_records(60, 0);
  const auto snapshot = [&] {
    const auto done =
        writer->add_snapshot(scenario.tree(), scenario.last_seq(), 1'700'000'000'000'000, 1,
                             scenario.last_seq(), 7, "a test");
    ASSERT_TRUE(done) << done.error().message;
    publish();
  };
  snapshot();
  const std::string expected = head();
  const auto check = [&] {
    snapshot();
    EXPECT_EQ(head(), expected);
    EXPECT_EQ(complaints(repository), "");
    EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
  };
  start_over([](store::HistoryOptions& options) {
    options.cache_bytes = kSmallCache;
    options.pack_bytes = 2000;
  });
  check();
  // And on top of a tree of its own, which is read back directory by directory.
  for (int domain = 1; domain <= 60; domain += 3) scenario.write(path(domain, 1), "new");
  scenario.remove("/local/domain/5");
  snapshot();
  EXPECT_LE(writer->stats().cache_bytes, kSmallCache / 4 * 5);
  EXPECT_EQ(complaints(repository), "");
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
}

#if !defined(VXS_ASAN) && !defined(VXS_TSAN)  // whose heaps say nothing of themselves
// The values of a commit's message are kept for the next one, which shows what it replaced.
TEST_F(HistoryMemoryTest, ValuesThatWereShownAreLetGoAtRest) {
  constexpr int kValues = 8000;  // of 128 bytes each, with all there is about them
  constexpr std::size_t kSlack = 256U << 10U;
  scenario.keep_versions = false;
  scenario.write("/a", "first");
  for (const std::string name : {"the one value, ", "the other one, "}) {
    std::vector<OwnedChange> changes;
    for (int i = 0; i < kValues; ++i) {
      changes.push_back({.kind = store::ChangeKind::kWrite,
                         .path = "/a",
                         .value = name + std::to_string(10'000 + i) + std::string(20, '.'),
                         .perms = {}});
    }
    scenario.commit(std::move(changes), store::CommitKind::kTransaction);
  }
  const auto at_rest = [&] {
    add(scenario.records()[added++]);
    publish();
    writer->rest();
    const auto heap = ::mallinfo2();
    return heap.uordblks + heap.hblkhd;
  };
  (void)at_rest();
  const std::size_t before = at_rest();  // what one such record leaves
  EXPECT_LT(at_rest(), before + kSlack);
}
#endif

// Every operation of publishing a streamed pack fails in turn; then a new writer goes on, as in
// the daemon.
TEST(HistoryMemory, AStreamedPackSurvivesEveryFailedWrite) {
  const auto real = store::make_posix_env();
  bool reached_end = false;
  for (int at = 0; !reached_end && at < 100; ++at) {
    const support::TempDir scratch("/dev/shm");
    store::HistoryOptions options;
    options.repository = scratch.path() + "/h.git";
    options.host = "testhost";
    options.boot_id = "boot-0";
    options.pack_bytes = 300;
    FailingEnv env(*real);
    auto writer = store::open_history_writer(env, options);
    ASSERT_TRUE(writer);
    Scenario scenario;
    std::vector<store::Change> changes;
    const auto add_all = [&] {
      for (const OwnedRecord& record : scenario.records()) {
        ASSERT_TRUE((*writer)->add(record.view(changes)));
      }
    };
    for (int i = 0; i < 5; ++i) scenario.write("/a/b" + std::to_string(i), std::to_string(i));
    env.fail_at(at, 2);
    add_all();
    const auto failed = (*writer)->publish();
    reached_end = env.operations() <= at;
    if (reached_end) {
      EXPECT_TRUE(failed) << at;
    }
    env.heal();
    EXPECT_EQ(fsck_complaints(options.repository), "") << at;
    writer->reset();
    writer = store::open_history_writer(env, options);
    ASSERT_TRUE(writer) << writer.error().message;
    scenario.write("/b", "1");
    add_all();
    const auto done = (*writer)->publish();
    ASSERT_TRUE(done) << at << ": " << done.error().message;
    EXPECT_EQ((*writer)->durable_seq(), scenario.last_seq());
    EXPECT_EQ(complaints(options.repository), "") << at;
    EXPECT_EQ(image_of_commit(options.repository, "main"), image_of(scenario.tree()));
    EXPECT_EQ(shell("ls '" + options.repository + "/vxenstored/tmp'").text, "") << at;
  }
  EXPECT_TRUE(reached_end);
}

}  // namespace
}  // namespace vxs::history_test
