// Failing disks and kill -9.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <thread>

#include "tests/store/history/failing_env.hh"
#include "tests/store/history/history_fixture.hh"

namespace vxs::history_test {
namespace {

store::HistoryOptions options_for(const std::string& repository, bool sync) {
  store::HistoryOptions options;
  options.repository = repository;
  options.host = "testhost";
  options.boot_id = "boot-0";
  options.version = "0.1";
  options.sync = sync;
  return options;
}

// Every operation of a publish fails in turn; then the writer goes on, or is opened again.
TEST(HistoryFaults, AnyFailedWriteLeavesAValidRepositoryAndCanBeRepeated) {
  const auto real = store::make_posix_env();
  for (const bool reopens : {false, true}) {
    bool reached_end = false;
    for (int at = 0; !reached_end && at < 100; ++at) {
      const support::TempDir scratch("/dev/shm");
      const std::string repository = scratch.path() + "/h.git";
      FailingEnv env(*real);
      auto writer = store::open_history_writer(env, options_for(repository, true));
      ASSERT_TRUE(writer);
      Scenario scenario;
      std::vector<store::Change> changes;
      scenario.write("/a", "1");
      ASSERT_TRUE((*writer)->add(scenario.records().back().view(changes)));
      ASSERT_TRUE((*writer)->publish());
      scenario.write("/a", "2");
      ASSERT_TRUE((*writer)->add(scenario.records().back().view(changes)));
      scenario.conflict({{store::ChangeKind::kWrite, "/a", "3", {}, false}}, 3, 1, "/a", 2);
      ASSERT_TRUE((*writer)->add(scenario.records().back().view(changes)));
      env.fail_at(at, 2);
      const auto failed = (*writer)->publish();
      reached_end = env.operations() <= at;
      EXPECT_EQ(failed.has_value(), reached_end) << at;
      if (!failed) {
        EXPECT_EQ(failed.error().kind, store::HistoryError::Kind::kIo);
        EXPECT_EQ(failed.error().code, ENOSPC);
        EXPECT_EQ((*writer)->durable_seq(), 1U);
      }
      env.heal();
      EXPECT_EQ(fsck_complaints(repository), "") << at;
      if (reopens) {
        writer->reset();
        writer = store::open_history_writer(env, options_for(repository, true));
        ASSERT_TRUE(writer) << writer.error().message;
      }
      scenario.write("/b", "1");
      for (const OwnedRecord& record : scenario.records()) {
        ASSERT_TRUE((*writer)->add(record.view(changes)));
      }
      ASSERT_TRUE((*writer)->publish()) << at;
      EXPECT_EQ((*writer)->durable_seq(), 4U);
      EXPECT_EQ(complaints(repository), "") << at;
      EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
      EXPECT_EQ(lines(git_ok(repository, "for-each-ref refs/conflicts")).size(), 1U);
      EXPECT_EQ(shell("ls '" + repository + "/vxenstored/tmp'").text, "") << at;
    }
    EXPECT_TRUE(reached_end);
  }
}

TEST(HistoryFaults, AHalfMadeRepositoryIsMadeAgain) {
  const auto real = store::make_posix_env();
  bool made = false;
  for (int at = 0; !made && at < 100; ++at) {
    const support::TempDir scratch("/dev/shm");
    FailingEnv env(*real);
    env.fail_at(at);
    made =
        store::open_history_writer(env, options_for(scratch.path() + "/h.git", true)).has_value();
    env.heal();
    const auto writer =
        store::open_history_writer(env, options_for(scratch.path() + "/h.git", true));
    ASSERT_TRUE(writer) << at << writer.error().message;
    EXPECT_EQ(fsck_complaints(scratch.path() + "/h.git"), "") << at;
  }
  EXPECT_TRUE(made);
}

// The child: continues where the repository ends, publishing and consolidating as it goes.
[[noreturn]] void write_for_ever(const std::string& repository,
                                 const std::deque<OwnedRecord>& records) {
  const auto env = store::make_posix_env();
  auto writer = store::open_history_writer(*env, options_for(repository, false));
  if (!writer) _exit(3);
  std::vector<store::Change> changes;
  int since = 0;
  for (const OwnedRecord& record : records) {
    if (record.commit.seq + record.conflict.seq + record.start.seq <= (*writer)->durable_seq()) {
      continue;
    }
    if (!(*writer)->add(record.view(changes))) _exit(4);
    if (++since % 7 != 0) continue;
    if (!(*writer)->publish()) _exit(5);
    if (!(*writer)->maintain()) _exit(6);
  }
  if (!(*writer)->publish()) _exit(5);
  _exit(0);
}

TEST(HistoryFaults, KillAtRandomMomentsWithAReaderBeside) {
  const support::TempDir scratch("/dev/shm");
  const std::string repository = scratch.path() + "/h.git";
  std::mt19937_64 random(99);
  Scenario scenario;
  for (int i = 0; i < 3000; ++i) scenario.random_step(random);

  std::atomic<bool> stop{false};
  std::atomic<int> reads{0};
  std::string reader_failure;
  std::thread reader([&] {
    while (!stop) {
      const Output exists = git(repository, "rev-parse -q --verify main");
      if (exists.status != 0) continue;
      const Output log = git(repository, "log --stat -30 --format=%H main");
      const Output tree = git(repository, "ls-tree -r main");
      if (log.status != 0) reader_failure = log.text;
      if (tree.status != 0) reader_failure = tree.text;
      ++reads;
    }
  });
  std::string last_head;
  int kills = 0;
  for (int round = 0; round < 16; ++round) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) write_for_ever(repository, scenario.records());
    usleep(static_cast<useconds_t>(20'000 + random() % 100'000));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status)) {
      EXPECT_EQ(WEXITSTATUS(status), 0);
    }
    kills += WIFSIGNALED(status) ? 1 : 0;
    if (git(repository, "rev-parse -q --verify main").status != 0) continue;
    EXPECT_EQ(fsck_complaints(repository), "");
    const std::string head = git_ok(repository, "rev-parse main").substr(0, 40);
    if (!last_head.empty()) {  // published commits stay, with their ids
      EXPECT_EQ(git(repository, "merge-base --is-ancestor " + last_head + " " + head).status, 0);
    }
    last_head = head;
  }
  stop = true;
  reader.join();
  EXPECT_EQ(reader_failure, "");
  EXPECT_GT(reads, 0);
  EXPECT_GT(kills, 5);
  const pid_t child = fork();
  if (child == 0) write_for_ever(repository, scenario.records());
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
  EXPECT_EQ(complaints(repository), "");
  const support::TempDir undisturbed("/dev/shm");
  const pid_t twin = fork();
  if (twin == 0) write_for_ever(undisturbed.path() + "/h.git", scenario.records());
  waitpid(twin, &status, 0);
  EXPECT_EQ(git_ok(undisturbed.path() + "/h.git", "rev-parse main"),
            git_ok(repository, "rev-parse main"));
}

}  // namespace
}  // namespace vxs::history_test
