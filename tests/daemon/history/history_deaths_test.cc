// The file in which deaths of the history thread are counted, and what may become of it meanwhile.
#include "daemon/history/history_deaths.hh"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/support/temp_dir.hh"

namespace vxs::daemon {
namespace {

namespace fs = std::filesystem;

class Deaths : public testing::Test {
 protected:
  [[nodiscard]] unsigned at(Seq seq, const std::string& version = "1") const {
    const auto deaths = HistoryDeaths::watch(file_, version);
    EXPECT_TRUE(deaths.has_value());
    return (*deaths)->at(seq);
  }
  // How a process ends that aborts at `seq`; the file has `bytes` by then.
  [[nodiscard]] int die_at(Seq seq, std::uintmax_t bytes = 40) const {
    const pid_t child = fork();
    if (child == 0) {
      const auto deaths = HistoryDeaths::watch(file_, "1");
      (*deaths)->begin(1);
      fs::resize_file(file_, bytes);
      (*deaths)->begin(seq);
      std::abort();
    }
    int status = 0;
    waitpid(child, &status, 0);
    return status;
  }
  support::TempDir dir_;
  std::string file_ = dir_.path() + "/deaths";
};

TEST_F(Deaths, AreCountedInARowAtOnePlace) {
  EXPECT_EQ(WTERMSIG(die_at(5)), SIGABRT);
  EXPECT_EQ(WTERMSIG(die_at(5)), SIGABRT);
  EXPECT_EQ(at(5), 2U);
  EXPECT_EQ(at(6), 0U);
  EXPECT_EQ(WTERMSIG(die_at(6)), SIGABRT);
  EXPECT_EQ(at(5), 0U);
  EXPECT_EQ(at(6), 1U);
  EXPECT_EQ(at(6, "2"), 0U) << "another version may be mended";
}

// Bug: the file was mapped, and the store that followed was a SIGBUS.
TEST_F(Deaths, Bug_AFileThatIsShortenedMeanwhileEndsNobody) {
  EXPECT_EQ(WTERMSIG(die_at(5)), SIGABRT);
  EXPECT_EQ(WTERMSIG(die_at(5, 0)), SIGABRT);
  EXPECT_EQ(at(5), 2U);
  const auto deaths = HistoryDeaths::watch(file_, "1");
  ASSERT_TRUE(deaths.has_value());
  fs::resize_file(file_, 0);
  (*deaths)->begin(7);
  EXPECT_EQ((*deaths)->at(5), 2U);
  (*deaths)->forget();
  EXPECT_EQ((*deaths)->at(5), 0U);
}

TEST_F(Deaths, AFileThatIsNotOursBeginsAnew) {
  EXPECT_EQ(WTERMSIG(die_at(5)), SIGABRT);
  fs::resize_file(file_, 39);
  EXPECT_EQ(at(5), 0U);
}

}  // namespace
}  // namespace vxs::daemon
