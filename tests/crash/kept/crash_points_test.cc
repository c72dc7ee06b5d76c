// The list of crash points is the program's, and the mechanism does what it says.
#include "tests/crash/kept/crash_points.hh"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <set>

#include "store/crash_point.hh"

namespace vxs::test::kept {
namespace {

std::string env(const char* name) { return std::getenv(name); }

TEST(CrashPoints, TheListIsWhatIsInTheProgram) {
  std::set<std::string> in_program, in_list;
  for (const auto& [name, places] : crash_points_of(env("VXS_BUILD_DIR") + "/daemon/vxenstored")) {
    in_program.insert(name);
  }
  for (const auto& point : listed_crash_points(env("VXS_SOURCE_DIR") + "/docs/crash-points.md")) {
    EXPECT_TRUE(in_list.insert(point.name).second) << point.name << " twice";
  }
  EXPECT_EQ(in_program, in_list);
}

[[gnu::noinline]] void come_by(volatile int& steps) {
  steps = 1;
  VXS_CRASH_POINT("of-this-test");
  steps = 2;
}

// A child that stops, comes by the point, and ends well.
int end_of_child(bool set) {
  const pid_t child = fork();
  if (child == 0) {
    raise(SIGSTOP);
    volatile int steps = 0;
    come_by(steps);
    _exit(steps == 2 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, WUNTRACED);
  EXPECT_TRUE(WIFSTOPPED(status));
  if (set) {
    const std::string self = std::filesystem::read_symlink("/proc/self/exe");
    const auto points = crash_points_of(self);
    EXPECT_TRUE(set_crash_point(child, self, points.at("of-this-test")));
  }
  kill(child, SIGCONT);
  waitpid(child, &status, 0);
  return status;
}

TEST(CrashPoints, OneThatIsNotSetDoesNothing) {
  const int status = end_of_child(false);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(CrashPoints, OneThatIsSetEndsTheProcessThere) {
  const int status = end_of_child(true);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTRAP) << status;
}

}  // namespace
}  // namespace vxs::test::kept
