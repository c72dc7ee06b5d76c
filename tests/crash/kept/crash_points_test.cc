// The list of crash points is the program's, and the mechanism does what it says.
#include "tests/crash/kept/crash_points.hh"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <set>
#include <stdexcept>

#include "store/crash_point.hh"
#include "tests/crash/kept/standstill.hh"

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

TEST(CrashPoints, TheSupervisorsAreInItsOwnProgram) {
  const auto points = crash_points_of(env("VXS_BUILD_DIR") + "/daemon/vxenstored-supervise");
  std::size_t found = 0;
  for (const auto& point : listed_crash_points(env("VXS_SOURCE_DIR") + "/docs/crash-points.md")) {
    if (point.when < ListedPoint::When::kSupervisorServing) continue;
    EXPECT_TRUE(points.contains(point.name)) << point.name;
    ++found;
  }
  EXPECT_EQ(found, points.size());
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

std::vector<std::uint64_t> of_this_test() {
  return crash_points_of(std::filesystem::read_symlink("/proc/self/exe")).at("of-this-test");
}

// A process that writes a byte before and after each time it comes by, when it is told to.
struct Walker {
  explicit Walker(bool forks) {
    if (pipe(to) != 0 || pipe(from) != 0) throw std::runtime_error("pipe");
    pid = fork();
    if (pid == 0) {
      (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
      walk(forks);
    }
  }
  ~Walker() {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    for (const int fd : {to[0], to[1], from[0], from[1]}) close(fd);
  }
  [[noreturn]] void walk(bool forks) const {
    volatile int steps = 0;
    for (char byte = 0; read(to[0], &byte, 1) == 1;) {
      char result = 'w';
      if (!forks) {
        come_by(steps);
      } else if (const pid_t child = fork(); child == 0) {
        come_by(steps);
        _exit(0);
      } else {
        int status = 0;
        waitpid(child, &status, 0);
        result = WIFSIGNALED(status) && WTERMSIG(status) == SIGTRAP ? 'd' : 'w';
      }
      (void)!write(from[1], &result, 1);
    }
    _exit(0);
  }
  void go() const { EXPECT_EQ(write(to[1], "g", 1), 1); }
  [[nodiscard]] bool arrived() const {
    pollfd answer{from[0], POLLIN, 0};
    return poll(&answer, 1, 0) == 1;
  }
  [[nodiscard]] char result() const {
    char byte = 0;
    return read(from[0], &byte, 1) == 1 ? byte : '?';
  }
  pid_t pid = -1;
  int to[2]{}, from[2]{};
};

void await(Standstill& still) {
  for (int i = 0; i < 30'000 && !still.reached(); ++i) usleep(1000);
  ASSERT_TRUE(still.reached());
}

TEST(Standstill, TheProcessStandsAtThePointAndThenGoesOnForGood) {
  const Walker walker(false);
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  {
    Standstill still(walker.pid, self, of_this_test(), Standstill::Who::kItself);
    EXPECT_FALSE(still.reached());
    walker.go();
    await(still);
    EXPECT_FALSE(walker.arrived());
  }
  EXPECT_EQ(walker.result(), 'w');
  walker.go();
  EXPECT_EQ(walker.result(), 'w');
}

TEST(Standstill, OneThatIsNotReachedLeavesNothingBehind) {
  const Walker walker(false);
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  { const Standstill still(walker.pid, self, of_this_test(), Standstill::Who::kItself); }
  walker.go();
  EXPECT_EQ(walker.result(), 'w');
}

TEST(Standstill, OnlyTheNextChildDies) {
  const Walker walker(true);
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  {
    Standstill still(walker.pid, self, of_this_test(), Standstill::Who::kNewChild);
    walker.go();
    await(still);
  }
  EXPECT_EQ(walker.result(), 'd');
  walker.go();
  EXPECT_EQ(walker.result(), 'w');
}

}  // namespace
}  // namespace vxs::test::kept
