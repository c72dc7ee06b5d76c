// The TOML file: all keys, and complaints that name file and line.
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>

#include "tests/daemon/shell/config_fixture.hh"

namespace vxs::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class File : public ConfigTest {
 protected:
  /// The complaint about a file, without its name.
  std::string complaint(const std::string& text) {
    const std::string path = write_file(text);
    const auto settings = read_file(path);
    if (settings) {
      ADD_FAILURE() << "accepted: " << text;
      return "";
    }
    EXPECT_EQ(settings.error().text.rfind(path, 0), 0U) << settings.error().text;
    return settings.error().text.substr(path.size());
  }

  static std::string example() {
    const char* source = std::getenv("VXS_SOURCE_DIR");
    std::ifstream stream(std::string(source ? source : ".") + "/docs/vxenstored.toml.example");
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
  }
};

TEST_F(File, EveryKeyHasItsEffect) {
  const std::string file = write_file(
      "run-dir = '/r'\nsocket = '/so'\npid-file = '/p'\nstate-dir = '/s'\njournal-dir = '/j'\n"
      "log-dir = '/l'\ndurability = 'disk'\nafter-reboot = 'empty'\nhistory = false\n"
      "xen = 'off'\nkeep-orphans = true\njournal-budget-mib = 300\n"
      "[trace]\nfile = '/t'\ncontrol = ['+acc', '-obj']\n"
      "[quota]\nnodes = 1\nwatches = 2\noutstanding = 3\nmemory = 4\ntransactions = 5\n"
      "transaction-nodes = 6\nnode-permissions = 7\npath-max = 8\nnode-size = 9\n"
      "[quota-soft]\nmemory = 10\n[timeout]\nwatch-event = 11\n");
  const Config config = good({"--config", file});
  EXPECT_EQ(config.config_file, file);
  EXPECT_EQ(config.run_dir, "/r");
  EXPECT_EQ(config.socket_path, "/so");
  EXPECT_EQ(config.pid_file, "/p");
  EXPECT_EQ(config.state_dir, "/s");
  EXPECT_EQ(config.journal_dir, "/j");
  EXPECT_EQ(config.log_dir, "/l");
  EXPECT_EQ(config.durability, store::Durability::kDisk);
  EXPECT_EQ(config.after_reboot, AfterReboot::kEmpty);
  EXPECT_FALSE(config.history);
  EXPECT_EQ(config.xen, XenMode::kOff);
  EXPECT_TRUE(config.keep_orphans);
  EXPECT_EQ(config.journal_budget_bytes, 300ULL << 20);
  EXPECT_EQ(config.trace_file, "/t");
  EXPECT_THAT(config.trace_control, ElementsAre("+acc", "-obj"));
  const std::array<std::uint32_t, kQuotaCount> quotas{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  EXPECT_EQ(config.quotas.values, quotas);
  EXPECT_EQ(config.watch_event_timeout, std::chrono::seconds(11));
}

TEST_F(File, HistoryIsASwitchOrATable) {
  EXPECT_FALSE(good({"--config", write_file("history = false\n")}).history);
  const Config config = good({"--config", write_file("[history]\nwrite = false\n"
                                                     "redact = ['/vm/*/pw', '/keys/**']\n")});
  EXPECT_FALSE(config.history);
  EXPECT_THAT(config.redact, ElementsAre("/vm/*/pw", "/keys/**"));
  EXPECT_TRUE(good({"--config", write_file("")}).redact.empty());
}

TEST_F(File, RedactTakesOnlyPatternsOfPaths) {
  EXPECT_THAT(complaint("[history]\nredact = '/a'\n"), HasSubstr(":2: 'redact' must be an array"));
  EXPECT_THAT(complaint("[history]\nredact = [\n'/a',\n'b']\n"), HasSubstr(":4: 'redact'"));
  EXPECT_THAT(complaint("[history]\nredact = ['/a**']\n"), HasSubstr(":2: 'redact'"));
  EXPECT_THAT(complaint("[history]\nredact = [7]\n"), HasSubstr(":2: 'redact'"));
  EXPECT_EQ(complaint("[history]\nsheep = 1\n"), ":2: unknown key 'sheep'");
  std::string many = "[history]\nredact = [";
  for (int i = 0; i < 101; ++i) many += "'/a',";
  EXPECT_THAT(complaint(many + "]\n"), HasSubstr("at most 100"));
}

TEST_F(File, UnknownKeysAreErrorsWithFileAndLine) {
  EXPECT_EQ(complaint("history = true\nhistroy = true\n"), ":2: unknown key 'histroy'");
  EXPECT_EQ(complaint("[quota]\nnodes = 1\n\nsheep = 2\n"), ":4: unknown key 'sheep'");
  EXPECT_EQ(complaint("[quota]\nsoft-memory = 2\n"), ":2: unknown key 'soft-memory'");
  EXPECT_EQ(complaint("[quota-soft]\nnodes = 2\n"), ":2: unknown key 'nodes'");
  EXPECT_EQ(complaint("[trace]\nlevel = 2\n"), ":2: unknown key 'level'");
  EXPECT_EQ(complaint("[timeout]\nfoo = 2\n"), ":2: unknown key 'foo'");
  EXPECT_THAT(complaint("\n[sheep]\nfoo = 2\n"), HasSubstr(":2: unknown key 'sheep'"));
}

TEST_F(File, BadValuesAreErrorsWithFileAndLine) {
  EXPECT_EQ(complaint("\nhistory = \"yes\"\n"), ":2: 'history' must be true or false");
  EXPECT_EQ(complaint("durability = 'iron'\n"), ":1: 'durability' must be memory, process or disk");
  EXPECT_EQ(complaint("xen = true\n"), ":1: 'xen' must be auto, on or off");
  EXPECT_EQ(complaint("state-dir = 7\n"),
            ":1: 'state-dir' must be the name of a file or directory");
  EXPECT_EQ(complaint("state-dir = ''\n"),
            ":1: 'state-dir' must be the name of a file or directory");
  EXPECT_THAT(complaint("[quota]\nnodes = -1\n"), HasSubstr(":2: 'nodes' must be a whole number"));
  EXPECT_THAT(complaint("[quota]\nnodes = 1.5\n"), HasSubstr(":2: 'nodes'"));
  EXPECT_THAT(complaint("[quota]\nnodes = 2147483648\n"), HasSubstr(":2: 'nodes'"));
  EXPECT_THAT(complaint("[trace]\ncontrol = '+io'\n"), HasSubstr("must be an array"));
  EXPECT_THAT(complaint("[trace]\ncontrol = [\n'+io',\n'io']\n"), HasSubstr(":4: 'control'"));
  EXPECT_THAT(complaint("quota = 3\n"), HasSubstr(":1: 'quota' must be a table"));
  EXPECT_THAT(complaint("journal-budget-mib = 1\n"), HasSubstr(":1: 'journal-budget-mib'"));
}

TEST_F(File, WhatIsNoTomlIsAnErrorWithFileAndLine) {
  EXPECT_THAT(complaint("history = true\n= 3\n"), HasSubstr(":2: "));
  EXPECT_THAT(complaint("history = true\nhistory = true\n"), HasSubstr(":2: "));
}

TEST_F(File, FileThatCannotBeReadIsAnError) {
  EXPECT_THAT(bad({"--config", dir_.path() + "/nowhere.toml"}), HasSubstr("nowhere.toml"));
  EXPECT_THAT(bad({"--config", dir_.path()}), HasSubstr("cannot be read"));
}

TEST_F(File, EmptyFileIsFine) { EXPECT_TRUE(good({"--config", write_file("")}).history); }

TEST_F(File, ExampleParsesAsItIs) {
  ASSERT_FALSE(example().empty());
  const Config config = good({"--config", write_file(example())});
  EXPECT_EQ(config.run_dir, "/var/run/xenstored");
}

// Each commented key must exist, and what the example calls the default must be the default.
TEST_F(File, ExampleWithEveryKeyUncommentedGivesTheDefaults) {
  const std::string text = std::regex_replace(example(), std::regex("(^|\n)#([a-z-]+ = )"), "$1$2");
  ASSERT_NE(text, example());
  const Config with = good({"--config", write_file(text)});
  const Config without = good({});
  EXPECT_EQ(with.run_dir, without.run_dir);
  EXPECT_EQ(with.socket_path, without.socket_path);
  EXPECT_EQ(with.state_dir, without.state_dir);
  EXPECT_EQ(with.journal_dir, without.journal_dir);
  EXPECT_EQ(with.log_dir, without.log_dir);
  EXPECT_EQ(with.durability, without.durability);
  EXPECT_EQ(with.history, without.history);
  EXPECT_EQ(with.redact, without.redact);
  EXPECT_EQ(with.xen, without.xen);
  EXPECT_EQ(with.keep_orphans, without.keep_orphans);
  EXPECT_EQ(with.journal_budget_bytes, without.journal_budget_bytes);
  EXPECT_EQ(with.quotas, without.quotas);
  EXPECT_EQ(with.watch_event_timeout, without.watch_event_timeout);
}

}  // namespace
}  // namespace vxs::config
