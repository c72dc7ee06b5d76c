#include <gmock/gmock.h>

#include "tests/tools/fixture.hh"

namespace vxs::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class TerminalTest : public SampleTest {
 protected:
  Outcome on_terminal(std::vector<std::string> arguments,
                      std::map<std::string, std::string> variables = {}) {
    arguments.insert(arguments.begin(), {"--state-dir", dir_.path()});
    variables.merge(environment());
    return run_vxs_on_terminal(arguments, variables);
  }
};

TEST_F(TerminalTest, ColoursAndPagesOnATerminal) {
  const Outcome run = on_terminal({"log"}, {{"PAGER", "sed 's/^/PAGED /'"}});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.out, HasSubstr("PAGED \x1b[33m      11\x1b[0m"));
}

TEST_F(TerminalTest, NoColorAndColorNeverMeanNoColours) {
  EXPECT_THAT(on_terminal({"log"}, {{"PAGER", "cat"}, {"NO_COLOR", "1"}}).out,
              Not(HasSubstr("\x1b")));
  EXPECT_THAT(on_terminal({"log", "--color", "never"}, {{"PAGER", "cat"}}).out,
              Not(HasSubstr("\x1b")));
  EXPECT_THAT(on_terminal({"log", "--color=always"}, {{"PAGER", "cat"}, {"NO_COLOR", "1"}}).out,
              HasSubstr("\x1b[33m"));
}

TEST_F(TerminalTest, WithoutATerminalThereAreColoursOnlyOnDemand) {
  EXPECT_THAT(vxs({"log"}).out, Not(HasSubstr("\x1b")));
  EXPECT_THAT(vxs({"--color", "always", "log"}).out, HasSubstr("\x1b[33m"));
}

TEST_F(TerminalTest, NoPagerForJsonSingleValuesAndOnDemand) {
  const std::map<std::string, std::string> pager{{"PAGER", "sed 's/^/PAGED /'"}};
  EXPECT_THAT(on_terminal({"log", "--json"}, pager).out, Not(HasSubstr("PAGED")));
  EXPECT_THAT(on_terminal({"log", "--no-pager"}, pager).out, Not(HasSubstr("PAGED")));
  EXPECT_THAT(on_terminal({"path", "/tool"}, pager).out, Not(HasSubstr("PAGED")));
  EXPECT_EQ(on_terminal({"at", "9", "read", "/local/domain/5/data"}, pager).out, "merged\r\n");
}

TEST_F(TerminalTest, APagerThatQuitsEarlyIsNoError) {
  const Outcome run = on_terminal({"log"}, {{"PAGER", "true"}});
  EXPECT_EQ(run.exit_code, 0);
}

TEST_F(TerminalTest, AGuestsEscapeSequenceNeverReachesTheTerminal) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"log", "-p"},
                                                                     {"show", "5"},
                                                                     {"diff", "4", "5"},
                                                                     {"at", "5", "ls", "/"},
                                                                     {"blame", "/local"}}) {
    const Outcome run = on_terminal(arguments, {{"PAGER", "cat"}, {"NO_COLOR", "1"}});
    EXPECT_EQ(run.exit_code, 0) << arguments[0];
    EXPECT_THAT(run.out, Not(HasSubstr("\x1b"))) << arguments[0];
  }
}

}  // namespace
}  // namespace vxs::test
