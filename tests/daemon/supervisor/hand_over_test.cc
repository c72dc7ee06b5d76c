// The order to become another program, and becoming it.
#include "daemon/supervisor/hand_over.hh"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.hh"

namespace vxs::supervisor {
namespace {

HandOver some_order() {
  return {.file = "/bin/sh",
          .arguments = {"sh", "", "-c", "two words"},
          .descriptors = {"listen", "client-1"},
          .renames = {{"/a", "/b"}, {"/c", "/d"}}};
}

TEST(HandOverOrder, IsReadAsItWasWritten) {
  const auto file = write_hand_over(some_order());
  ASSERT_TRUE(file.has_value());
  EXPECT_EQ(read_hand_over(file->get()), some_order());
}

TEST(HandOverOrder, ACutOneIsNone) {
  const auto file = write_hand_over(some_order());
  ASSERT_TRUE(file.has_value());
  off_t size = ::lseek(file->get(), 0, SEEK_END);
  while (size-- > 0) {
    ASSERT_EQ(::ftruncate(file->get(), size), 0);
    EXPECT_EQ(read_hand_over(file->get()), std::nullopt) << size;
  }
}

TEST(HandOverOrder, AWordWithANulIsRefused) {
  HandOver order = some_order();
  order.file.push_back('\0');
  EXPECT_FALSE(write_hand_over(order).has_value());
}

class Becoming : public testing::Test {
 protected:
  // In a child: `script` as the program, which is to say "good".
  int become_in_child(const std::string& script, const HandOver& more, int passed) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      sigset_t all;
      ::sigfillset(&all);
      ::sigprocmask(SIG_SETMASK, &all, nullptr);
      HandOver order = more;
      order.file = "/bin/sh";
      order.arguments = {"sh", "-c", script};
      const auto error =
          become(order, [&](const std::string& name) { return name == "it" ? passed : -1; });
      ::_exit(error.text.empty() ? 98 : 99);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
  }
  support::TempDir dir_;
};

TEST_F(Becoming, OnlyWhatIsNamedStaysOpenAndNothingOfOursIsSeen) {
  const int passed = ::open("/dev/null", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  const int other = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::setenv("VXENSTORED_FORM", "daemon", 1);
  const std::string script = "test -e /proc/$$/fd/" + std::to_string(passed) +
                             " || exit 1; test -e /proc/$$/fd/" + std::to_string(other) +
                             " && exit 2; env | grep -q VXENSTORED_ && exit 3; "
                             "grep -q 'SigBlk:.0000000000000000' /proc/self/status || exit 4; "
                             "grep -q 'flags:.*0100000' /proc/$$/fdinfo/" +
                             std::to_string(passed) + " || exit 5; exit 42";
  EXPECT_EQ(become_in_child(script, {.descriptors = {"it"}}, passed), 42);
  ::unsetenv("VXENSTORED_FORM");
  ::close(passed);
  ::close(other);
}

TEST_F(Becoming, FilesAreRenamedBefore) {
  const std::string from = dir_.path() + "/from";
  std::ofstream(from) << "x";
  const std::string script =
      "test -e " + dir_.path() + "/to && ! test -e " + from + " && exit 42; exit 1";
  EXPECT_EQ(become_in_child(script, {.renames = {{from, dir_.path() + "/to"}}}, -1), 42);
}

TEST_F(Becoming, AFailureLeavesEverythingAsItWas) {
  const std::string from = dir_.path() + "/from";
  std::ofstream(from) << "x";
  const int passed = ::open("/dev/null", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  const auto error = become({.file = dir_.path() + "/absent",
                             .arguments = {"absent"},
                             .descriptors = {"it"},
                             .renames = {{from, dir_.path() + "/to"}}},
                            [&](const std::string&) { return passed; });
  EXPECT_THAT(error.text, testing::HasSubstr("cannot run"));
  EXPECT_TRUE(std::filesystem::exists(from));
  EXPECT_EQ(::fcntl(passed, F_GETFD), FD_CLOEXEC);
  EXPECT_NE(::fcntl(passed, F_GETFL) & O_NONBLOCK, 0);
  ::close(passed);
}

TEST_F(Becoming, ADescriptorThatIsNotKeptIsAFailure) {
  const auto error = become({.file = "/bin/true", .arguments = {"true"}, .descriptors = {"it"}},
                            [](const std::string&) { return -1; });
  EXPECT_THAT(error.text, testing::HasSubstr("not kept"));
}

}  // namespace
}  // namespace vxs::supervisor
