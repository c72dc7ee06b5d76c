// The manual pages say what the program says.
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "tests/daemon/shell/config_fixture.hh"

namespace vxs::config {
namespace {

std::string source_file(const std::string& name) {
  const char* source = std::getenv("VXS_SOURCE_DIR");
  std::ifstream stream(std::string(source ? source : ".") + "/" + name);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::set<std::string> matches(const std::string& text, const std::string& pattern) {
  const std::regex expression(pattern);
  std::set<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), expression), end; it != end; ++it) {
    found.insert((*it)[1].str());
  }
  return found;
}

class Manual : public ConfigTest {};

// In mdoc an option's entry is ".It Fl F Ar file , Fl -pid-file Ar file".
TEST_F(Manual, OptionsAreThoseOfHelp) {
  const std::string help = parse({"--help"}).error().text;
  const std::string page = source_file("tools/man/vxenstored.8");
  std::string entries;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(".It Fl", 0) == 0) entries += line + "\n";
  }
  // Option names stand at the beginning of a line of the help text: "  -F,--pid-file FILE  …".
  std::string names;
  for (const std::string& column : matches(help, "(?:^|\n)  (-[-A-Za-z,]+)"))
    names += column + "\n";
  const auto in_help = matches(names, "(?:^|,|\n)-(-?[A-Za-z][-a-z]*)");
  EXPECT_GT(in_help.size(), 30U);
  EXPECT_EQ(matches(entries, "Fl (-?[A-Za-z][-a-z]*)"), in_help);
}

TEST_F(Manual, KeysOfTheFileAreThoseOfTheExample) {
  const auto in_example =
      matches(source_file("docs/vxenstored.toml.example"), "(?:^|\n)#?([a-z-]+) = ");
  EXPECT_GT(in_example.size(), 20U);
  EXPECT_EQ(matches(source_file("tools/man/vxenstored.toml.5"), "\n\\.It Va ([a-z-]+)"),
            in_example);
}

}  // namespace
}  // namespace vxs::config
