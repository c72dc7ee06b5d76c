// The real Env on tmpfs and on disk, with real SIGKILLs.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <random>
#include <string>

#include "store/journal/tail.hh"
#include "tests/store/journal/workload.hh"

namespace vxs::store::test {
namespace {

struct Mode {
  const char* name;
  Durability durability;
  const char* parent;
};

class PosixJournal : public ::testing::TestWithParam<Mode> {
 protected:
  PosixJournal() : env(make_posix_env()) {
    std::string pattern = std::string(GetParam().parent) + "/vxs-XXXXXX";
    const char* made = ::mkdtemp(pattern.data());
    directory = made != nullptr ? made : "";
  }
  ~PosixJournal() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
  }
  [[nodiscard]] JournalOptions options() const {
    JournalOptions options = small_options(GetParam().durability);
    options.directory = directory + "/a/journal";
    options.segment_bytes = 65536;
    options.budget_bytes = 64U << 20;
    return options;
  }

  std::unique_ptr<Env> env;
  std::string directory;
};

INSTANTIATE_TEST_SUITE_P(Policies, PosixJournal,
                         ::testing::Values(Mode{"ProcessTmpfs", Durability::kProcess, "/dev/shm"},
                                           Mode{"ProcessDisk", Durability::kProcess, "/tmp"},
                                           Mode{"Disk", Durability::kDisk, "/tmp"}),
                         [](const auto& info) { return info.param.name; });

TEST_P(PosixJournal, RunsAndRecoversAndItsFilesArePrivate) {
  ASSERT_FALSE(directory.empty());
  Workload w(*env, options(), 1);
  ASSERT_TRUE(w.open()) << w.error.message;
  for (int i = 0; i < 3000; ++i) {
    ASSERT_TRUE(w.commit());
    if (i % 100 == 0) {
      ASSERT_TRUE(w.wait_safe());
    }
    if (i == 1000) {
      ASSERT_TRUE(w.checkpoint());
    }
  }
  ASSERT_TRUE(w.wait_safe());
  for (const auto& entry : std::filesystem::directory_iterator(w.options.directory)) {
    EXPECT_EQ(entry.status().permissions(), std::filesystem::perms(0600)) << entry.path();
  }
  EXPECT_EQ(std::filesystem::status(w.options.directory).permissions(),
            std::filesystem::perms(0700));
  ASSERT_TRUE(w.open()) << w.error.message;
  EXPECT_EQ(w.report.checkpoint_seq, 1001U);
  EXPECT_EQ(w.journal->last_seq(), 3000U);
  EXPECT_EQ(w.world->tree.state_hash(), w.hashes[3000]);
}

// The child reports each safe Seq through a pipe, as a daemon answers, and is killed at random.
TEST_P(PosixJournal, NothingAnsweredIsLostBySigkill) {
  ASSERT_FALSE(directory.empty());
  std::mt19937_64 random(42);
  Seq answered = 0;
  for (int round = 0; round < 15; ++round) {
    int pipe_fds[2];
    ASSERT_EQ(::pipe(pipe_fds), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(pipe_fds[0]);
      Workload w(*env, options(), 99 + static_cast<std::uint64_t>(round));
      if (!w.open()) ::_exit(1);
      for (;;) {
        if (w.journal->wants_preparation()) w.journal->prepare();
        for (int i = 0; i < 3; ++i) {
          if (!w.commit()) ::_exit(2);
        }
        if (!w.wait_safe()) ::_exit(3);
        const Seq safe = w.journal->safe_seq();
        if (::write(pipe_fds[1], &safe, sizeof safe) != sizeof safe) ::_exit(4);
      }
    }
    ASSERT_GT(child, 0);
    ::close(pipe_fds[1]);
    Seq safe = 0;
    const auto goal = 1 + random() % 300;
    for (std::uint64_t i = 0; i < goal && ::read(pipe_fds[0], &safe, sizeof safe) == sizeof safe;
         ++i) {
      answered = safe;
    }
    ::kill(child, SIGKILL);
    while (::read(pipe_fds[0], &safe, sizeof safe) == sizeof safe) answered = safe;
    ::close(pipe_fds[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child gave up with " << WEXITSTATUS(status);

    Workload w(*env, options(), 1);
    ASSERT_TRUE(w.open()) << w.error.message;
    ASSERT_GE(w.journal->last_seq(), answered);
    answered = w.journal->last_seq();
  }
  EXPECT_GT(answered, 100U);
}

TEST_P(PosixJournal, ARealFileSizeLimitIsAnErrorAndNoSignal) {
  ASSERT_FALSE(directory.empty());
  // RLIMIT_FSIZE stands in for a full disk, which a test cannot make without root: EFBIG.
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    Workload w(*env, options(), 5);
    if (!w.open()) ::_exit(1);
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    for (int i = 0; i < 5000 && !w.journal->failing(); ++i) {
      (void)w.commit();
      (void)w.wait_safe();
    }
    if (!w.journal->failing()) ::_exit(2);
    if (w.journal->probe()) ::_exit(3);
    const Seq last = w.journal->last_seq();
    const std::uint64_t hash = w.world->tree.state_hash();
    if (!w.open() || w.journal->last_seq() != last || !w.journal->failing()) ::_exit(4);
    ::_exit(w.world->tree.state_hash() == hash ? 0 : 5);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(PosixEnv, ReportsErrnoAndPath) {
  const auto env = make_posix_env();
  const auto missing = env->read_file("/nonexistent/vxs");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, ENOENT);
  EXPECT_EQ(missing.error().what, "open /nonexistent/vxs: No such file or directory");
  EXPECT_TRUE(env->is_memory_file_system("/dev/shm"));
  EXPECT_FALSE(env->is_memory_file_system("/nonexistent"));
  EXPECT_NE(env->random_bits(), env->random_bits());
}

}  // namespace
}  // namespace vxs::store::test
