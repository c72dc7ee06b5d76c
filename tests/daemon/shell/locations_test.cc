// Where things are: options before environment before file before defaults.
#include <gmock/gmock.h>

#include "tests/daemon/shell/config_fixture.hh"

namespace vxs::config {
namespace {

using ::testing::HasSubstr;

class Locations : public ConfigTest {};

TEST_F(Locations, A1_WithoutVariablesTheCompiledInPlaces) {
  const Config config = good({});
  EXPECT_EQ(config.run_dir, "/var/run/xenstored");
  EXPECT_EQ(config.socket_path, "/var/run/xenstored/socket");
  EXPECT_EQ(config.state_dir, "/var/lib/vxenstored");
  EXPECT_EQ(config.journal_dir, "/var/run/xenstored/journal");
}

TEST_F(Locations, A1_RundirVariableMovesSocketStateAndJournal) {
  environment_.xenstored_rundir = "/r";
  const Config config = good({});
  EXPECT_EQ(config.run_dir, "/r");
  EXPECT_EQ(config.socket_path, "/r/socket");
  EXPECT_EQ(config.state_dir, "/r/state");
  EXPECT_EQ(config.journal_dir, "/r/journal");
}

TEST_F(Locations, A1_PathVariableMovesTheSocketOnly) {
  environment_.xenstored_rundir = "/r";
  environment_.xenstored_path = "/p/sock";
  const Config config = good({});
  EXPECT_EQ(config.run_dir, "/r");
  EXPECT_EQ(config.socket_path, "/p/sock");
}

TEST_F(Locations, A1_EmptyVariablesCountAsUnset) {
  environment_.xenstored_rundir = "";
  environment_.xenstored_path = "";
  const Config config = good({});
  EXPECT_EQ(config.run_dir, "/var/run/xenstored");
  EXPECT_EQ(config.socket_path, "/var/run/xenstored/socket");
  EXPECT_EQ(config.state_dir, "/var/lib/vxenstored");
}

TEST_F(Locations, JournalIsOnDiskForDurabilityDiskAndInRundirOtherwise) {
  environment_.xenstored_rundir = "/r";
  EXPECT_EQ(good({"--state-dir=/s", "--durability=disk"}).journal_dir, "/s/journal");
  EXPECT_EQ(good({"--state-dir=/s", "--durability=process"}).journal_dir, "/r/journal");
  EXPECT_EQ(good({"--state-dir=/s", "--durability=memory"}).journal_dir, "/r/journal");
  const std::string file = write_file("durability = \"disk\"\n");
  EXPECT_EQ(good({"--state-dir=/s", "--config", file}).journal_dir, "/s/journal");
}

TEST_F(Locations, JournalAndStateDirectoryMustDiffer) {
  EXPECT_THAT(bad({"--state-dir=/s", "--journal-dir=/x/../s"}), HasSubstr("must differ"));
}

TEST_F(Locations, RelativeOptionsBeginAtTheWorkingDirectory) {
  // The daemon changes to "/" later: what was relative must be absolute by then.
  const Config config = good({"-F", "pid", "--state-dir", "./s", "--journal-dir", "../j"});
  EXPECT_EQ(config.pid_file, "/somewhere/pid");
  EXPECT_EQ(config.state_dir, "/somewhere/s");
  EXPECT_EQ(config.journal_dir, "/j");
  environment_.xenstored_rundir = "run";
  EXPECT_EQ(good({}).socket_path, "/somewhere/run/socket");
}

TEST_F(Locations, I12_RelativeTraceFileIsUnderTheLogDirectory) {
  EXPECT_EQ(good({"-T", "trace.log"}).trace_file, "/var/lib/xen/xenstore/trace.log");
  const std::string file = write_file("log-dir = \"/logs\"\n[trace]\nfile = \"t\"\n");
  EXPECT_EQ(good({"--config", file}).trace_file, "/logs/t");
}

TEST_F(Locations, OptionWinsOverEnvironmentOverFile) {
  const std::string file = write_file(
      "run-dir = \"/file/run\"\nsocket = \"/file/socket\"\nstate-dir = \"/file/state\"\n"
      "history = false\n[quota]\nnodes = 5\nwatches = 6\n");
  Config config = good({"--config", file});
  EXPECT_EQ(config.run_dir, "/file/run");
  EXPECT_EQ(config.socket_path, "/file/socket");
  EXPECT_EQ(config.state_dir, "/file/state");
  EXPECT_EQ(config.journal_dir, "/file/run/journal");
  EXPECT_FALSE(config.history);

  environment_.xenstored_rundir = "/env/run";
  environment_.xenstored_path = "/env/socket";
  config = good({"--config", file, "--history=on", "-E", "7"});
  EXPECT_EQ(config.run_dir, "/env/run");
  EXPECT_EQ(config.socket_path, "/env/socket");
  EXPECT_EQ(config.state_dir, "/file/state");  // the variable only moves its default
  EXPECT_TRUE(config.history);
  EXPECT_EQ(config.quotas[Quota::kNodes], 7U);
  EXPECT_EQ(config.quotas[Quota::kWatches], 6U);
  EXPECT_EQ(good({"--config", file, "--state-dir=/opt"}).state_dir, "/opt");
}

TEST_F(Locations, DefaultFileIsReadIfItExistsAndNoneIsNamed) {
  EXPECT_TRUE(good({}).history);
  environment_.default_config_file = write_file("history = false\n", "default.toml");
  EXPECT_FALSE(good({}).history);
  EXPECT_EQ(good({}).config_file, environment_.default_config_file);
  const std::string other = write_file("", "other.toml");
  EXPECT_TRUE(good({"--config", other}).history);
}

TEST_F(Locations, JournalBudgetFollowsTheMemoryUnlessNamed) {
  constexpr std::uint64_t kMib = 1U << 20;
  EXPECT_EQ(good({}).journal_budget_bytes, 256 * kMib);
  environment_.memory_bytes = 1000 * kMib;
  EXPECT_EQ(good({}).journal_budget_bytes, 100 * kMib);
  environment_.memory_bytes = 100 * kMib;
  EXPECT_EQ(good({}).journal_budget_bytes, 64 * kMib);
  const std::string file = write_file("journal-budget-mib = 8\n");
  EXPECT_EQ(good({"--config", file}).journal_budget_bytes, 8 * kMib);
}

TEST_F(Locations, AfterRebootKeepsWithoutXenOnly) {
  EXPECT_TRUE(good({}).keep_after_reboot(false));
  EXPECT_FALSE(good({}).keep_after_reboot(true));
  EXPECT_TRUE(good({"--after-reboot=keep"}).keep_after_reboot(true));
  EXPECT_FALSE(good({"--after-reboot=empty"}).keep_after_reboot(false));
}

TEST_F(Locations, ToolsResolveWithTheOptionsTheyHave) {
  environment_.xenstored_rundir = "/r";
  Settings options;
  options.state_dir = "/s";
  const auto config = resolve(options, std::nullopt, environment_);
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->state_dir, "/s");
  EXPECT_EQ(config->socket_path, "/r/socket");
}

}  // namespace
}  // namespace vxs::config
