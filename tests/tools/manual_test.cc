// The manual page and --help name the same options.
#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <regex>

#include <set>
#include <sstream>

#include "tests/support/daemon_ready.hh"
#include "tests/tools/fixture.hh"

namespace vxs::test {
namespace {

const std::vector<std::string> kCommands{"log",  "show",   "at",    "diff", "blame",  "conflicts",
                                         "path", "status", "quota", "fsck", "export", "import"};

/// "--follow", "-p", … in the option column of help.
std::set<std::string> options_of_help(const std::string& help) {
  std::set<std::string> options;
  const std::regex line("^  (-[^ ].*)$", std::regex::multiline);
  const std::regex option("(^|,)(--?[A-Za-z][A-Za-z-]*)");
  for (auto each = std::sregex_iterator(help.begin(), help.end(), line);
       each != std::sregex_iterator(); ++each) {
    const std::string text = (*each)[1].str();
    const std::string names = text.substr(0, text.find(' '));
    for (auto name = std::sregex_iterator(names.begin(), names.end(), option);
         name != std::sregex_iterator(); ++name) {
      options.insert((*name)[2].str());
    }
  }
  return options;
}

/// The options of the .It lines in one part of the page: "Fl p , Fl -patch".
std::set<std::string> options_of_page(const std::string& part) {
  std::set<std::string> options;
  const std::regex item("^\\.It Fl (.*)$", std::regex::multiline);
  for (auto each = std::sregex_iterator(part.begin(), part.end(), item);
       each != std::sregex_iterator(); ++each) {
    std::istringstream words("Fl " + (*each)[1].str());
    for (std::string word; words >> word;) {
      if (word == "Fl" && words >> word) options.insert("-" + word);
    }
  }
  return options;
}

std::string manual() {
  std::ifstream file(support::required_env("VXS_SOURCE_DIR") + "/tools/man/vxs.1");
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The text of ".Ss <command>" up to the next section.
std::string part_of(const std::string& page, const std::string& command) {
  const std::size_t begin = page.find("\n.Ss " + command + "\n");
  if (begin == std::string::npos) return "";
  const std::size_t end = std::min(page.find("\n.Ss ", begin + 1), page.find("\n.Sh ", begin + 1));
  return page.substr(begin, end - begin);
}

TEST(ManualTest, CommonOptionsAreThoseOfHelp) {
  const std::string page = manual();
  const std::size_t begin = page.find(".Sh DESCRIPTION");
  const std::string common = page.substr(begin, page.find("\n.Ss ") - begin);
  EXPECT_EQ(options_of_page(common), options_of_help(run_vxs({"--help"}).out));
  EXPECT_EQ(options_of_page(common).count("--state-dir"), 1u);
}

TEST(ManualTest, OptionsOfEachCommandAreThoseOfItsHelp) {
  const std::string page = manual();
  for (const std::string& command : kCommands) {
    const std::string part = part_of(page, command);
    EXPECT_NE(part, "") << command;
    std::set<std::string> options = options_of_help(run_vxs({command, "--help"}).out);
    options.erase("-h");
    options.erase("--help");
    EXPECT_EQ(options_of_page(part), options) << command;
  }
}

TEST(ManualTest, NamesEveryCommandOfHelp) {
  const std::string help = run_vxs({"--help"}).out;
  const std::string commands = help.substr(help.find("Subcommands:"));
  std::set<std::string> named;
  const std::regex line("^  ([a-z]+) ", std::regex::multiline);
  for (auto each = std::sregex_iterator(commands.begin(), commands.end(), line);
       each != std::sregex_iterator(); ++each) {
    named.insert((*each)[1].str());
  }
  EXPECT_EQ(named, std::set<std::string>(kCommands.begin(), kCommands.end()));
}

}  // namespace
}  // namespace vxs::test
