// vxenstored-supervise's command line, and its manual.
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "daemon/supervisor/options.hh"

namespace vxs::supervisor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

tl::expected<CommandLine, UsageEnd> parse(std::vector<std::string> words) {
  words.insert(words.begin(), "vxenstored-supervise");
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  return parse_command_line(static_cast<int>(words.size()), argv.data());
}

TEST(SuperviseOptions, EndAtTheCommand) {
  const auto line = parse({"-b", "70", "--watchdog=80", "-s", "vxenstored", "-b", "1", "--help"});
  ASSERT_TRUE(line);
  EXPECT_EQ(line->options.backoff_max.count(), 70);
  EXPECT_EQ(line->options.watchdog.count(), 80);
  EXPECT_EQ(line->options.start_timeout.count(), 300'000);
  EXPECT_TRUE(line->syslog);
  EXPECT_THAT(line->options.command, ElementsAre("vxenstored", "-b", "1", "--help"));
  const auto after_dashes = parse({"--", "-x"});
  ASSERT_TRUE(after_dashes);
  EXPECT_THAT(after_dashes->options.command, ElementsAre("-x"));
}

TEST(SuperviseOptions, SayWhatIsWrong) {
  const auto text = [](std::vector<std::string> words) {
    const auto line = parse(std::move(words));
    EXPECT_TRUE(!line && line.error().exit_code == 2);
    return line ? std::string() : line.error().text;
  };
  EXPECT_THAT(text({}), HasSubstr("a command is missing"));
  EXPECT_THAT(text({"--nothing", "x"}), HasSubstr("no option --nothing"));
  EXPECT_THAT(text({"--watchdog"}), HasSubstr("--watchdog wants a value"));
  EXPECT_THAT(text({"-w", "5s", "x"}), HasSubstr("'5s' is no number of milliseconds"));
  EXPECT_THAT(text({"-w", "86400001", "x"}), HasSubstr("is no number"));
}

std::set<std::string> matches(const std::string& text, const std::string& pattern) {
  const std::regex expression(pattern);
  std::set<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), expression), end; it != end; ++it) {
    found.insert((*it)[1].str());
  }
  return found;
}

TEST(SuperviseManual, OptionsAreThoseOfHelp) {
  const std::string help = parse({"--help"}).error().text;
  const char* source = std::getenv("VXS_SOURCE_DIR");
  std::ifstream stream(std::string(source ? source : ".") + "/tools/man/vxenstored-supervise.8");
  std::string entries;
  for (std::string line; std::getline(stream, line);) {
    if (line.rfind(".It Fl", 0) == 0) entries += line + "\n";
  }
  std::string names;
  for (const auto& column : matches(help, "(?:^|\n)  (-[-A-Za-z,]+)")) names += column + "\n";
  const auto in_help = matches(names, "(?:^|,|\n)-(-?[A-Za-z][-a-z]*)");
  EXPECT_EQ(in_help.size(), 12U);
  EXPECT_EQ(matches(entries, "Fl (-?[A-Za-z][-a-z]*)"), in_help);
}

}  // namespace
}  // namespace vxs::supervisor
