#include <gmock/gmock.h>

#include "tests/tools/fixture.hh"

namespace vxs::test {
namespace {

using testing::HasSubstr;

using CommandLineTest = SampleTest;

TEST_F(CommandLineTest, HelpAndVersionAreNoErrors) {
  const Outcome help = vxs({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.out, HasSubstr("blame"));
  EXPECT_EQ(vxs({"log", "--help"}).exit_code, 0);
  const Outcome version = vxs({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.out, testing::StartsWith("vxs 0."));
}

TEST_F(CommandLineTest, UsageErrorsAreExitCodeTwo) {
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"nonsense"},
                                             {"log", "--nonsense"},
                                             {"show"},
                                             {"at", "now", "rm", "/"},
                                             {"at", "now", "ls"},
                                             {"diff", "1"},
                                             {"blame"},
                                             {"path"},
                                             {"log", "--since", "soon"},
                                             {"log", "--domain", "x"},
                                             {"log", "--follow", "--graph"},
                                             {"log", "/a//b"},
                                             {"--color", "blue", "log"},
                                             {"log", "--graph", "--json"}}) {
    const Outcome run = vxs(arguments);
    EXPECT_EQ(run.exit_code, 2) << testing::PrintToString(arguments) << run.err;
    EXPECT_THAT(run.err, testing::StartsWith("vxs: "));
    EXPECT_EQ(run.out, "");
  }
}

TEST_F(CommandLineTest, AMissingRepositoryIsExitCodeThree) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"log"},
                                                                     {"show", "1"},
                                                                     {"at", "now", "ls", "/"},
                                                                     {"diff", "1", "2"},
                                                                     {"blame", "/"},
                                                                     {"conflicts"},
                                                                     {"path", "/"},
                                                                     {"status"},
                                                                     {"quota"},
                                                                     {"fsck"}}) {
    std::vector<std::string> all{"--state-dir", dir_.path() + "/none"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    EXPECT_EQ(run_vxs(all, environment()).exit_code, 3) << arguments[0];
  }
}

TEST_F(CommandLineTest, FindsTheStateDirectoryAsTheDaemonDoes) {
  const std::string state = dir_.path() + "/run/state";
  ASSERT_EQ(std::system(
                ("mkdir -p " + dir_.path() + "/run && ln -s " + dir_.path() + " " + state).c_str()),
            0);
  EXPECT_EQ(run_vxs({"show", "3"}, environment()).exit_code, 0);
  const std::string config = dir_.path() + "/config.toml";
  ASSERT_EQ(std::system(("echo 'state-dir = \"" + dir_.path() + "\"' > " + config).c_str()), 0);
  EXPECT_EQ(
      run_vxs({"--config", config, "show", "3"}, {{"XENSTORED_RUNDIR", "/nonexistent"}}).exit_code,
      0);
  EXPECT_EQ(
      run_vxs({"--config", dir_.path() + "/missing.toml", "show", "3"}, environment()).exit_code,
      2);
}

TEST_F(CommandLineTest, ReadsACloneWithoutAStateDirectory) {
  const std::string clone = dir_.path() + "/clone.git";
  ASSERT_EQ(std::system("git --version >/dev/null"), 0) << "to get it: apt install git";
  ASSERT_EQ(std::system(("git clone -q --mirror " + repository_.path() + " " + clone).c_str()), 0);
  EXPECT_EQ(run_vxs({"--repository", clone, "log"}, {}).out, vxs({"log"}).out);
  EXPECT_EQ(run_vxs({"--repository", clone, "conflicts"}, {}).out, vxs({"conflicts"}).out);
}

}  // namespace
}  // namespace vxs::test
