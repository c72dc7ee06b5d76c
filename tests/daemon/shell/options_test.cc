// The command line: every option has its effect, and bad ones are refused.
#include <gmock/gmock.h>

#include "tests/daemon/shell/config_fixture.hh"

namespace vxs::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Options : public ConfigTest {};

TEST_F(Options, DefaultsAreThoseOfTheDocuments) {
  const Config config = good({});
  EXPECT_EQ(config.config_file, "");
  EXPECT_EQ(config.pid_file, "");
  EXPECT_EQ(config.trace_file, "");
  EXPECT_EQ(config.log_dir, "/var/lib/xen/xenstore");
  EXPECT_TRUE(config.daemonize);
  EXPECT_TRUE(config.history);
  EXPECT_FALSE(config.keep_orphans);
  EXPECT_EQ(config.durability, store::Durability::kProcess);
  EXPECT_EQ(config.after_reboot, AfterReboot::kAuto);
  EXPECT_EQ(config.xen, XenMode::kAuto);
  EXPECT_EQ(config.watch_event_timeout, std::chrono::seconds(20));
  EXPECT_EQ(config.quotas, QuotaSettings());
  EXPECT_THAT(config.warnings, IsEmpty());
  EXPECT_THAT(config.trace_control, IsEmpty());
}

TEST_F(Options, G1_QuotaDefaultsAreThoseOfTheTable) {
  const QuotaSettings quotas;
  EXPECT_EQ(quotas[Quota::kNodes], 1000U);
  EXPECT_EQ(quotas[Quota::kWatches], 128U);
  EXPECT_EQ(quotas[Quota::kOutstanding], 20U);
  EXPECT_EQ(quotas[Quota::kMemory], 2621440U);
  EXPECT_EQ(quotas[Quota::kSoftMemory], 2097152U);
  EXPECT_EQ(quotas[Quota::kTransactions], 10U);
  EXPECT_EQ(quotas[Quota::kTransactionNodes], 1024U);
  EXPECT_EQ(quotas[Quota::kNodePermissions], 5U);
  EXPECT_EQ(quotas[Quota::kPathMax], 2048U);
  EXPECT_EQ(quotas[Quota::kNodeSize], 2048U);
}

TEST_F(Options, I1_ShortOptionsHaveTheirEffect) {
  const Config config = good({"-F",
                              "/p/pid",
                              "-N",
                              "-T",
                              "/t/trace",
                              "-E",
                              "11",
                              "-S",
                              "12",
                              "-W",
                              "13",
                              "-t",
                              "14",
                              "-A",
                              "15",
                              "-M",
                              "16",
                              "-Q",
                              "outstanding=17",
                              "-q",
                              "memory=18",
                              "-w",
                              "watch-event=19",
                              "-K"});
  EXPECT_EQ(config.pid_file, "/p/pid");
  EXPECT_FALSE(config.daemonize);
  EXPECT_EQ(config.trace_file, "/t/trace");
  EXPECT_EQ(config.quotas[Quota::kNodes], 11U);
  EXPECT_EQ(config.quotas[Quota::kNodeSize], 12U);
  EXPECT_EQ(config.quotas[Quota::kWatches], 13U);
  EXPECT_EQ(config.quotas[Quota::kTransactions], 14U);
  EXPECT_EQ(config.quotas[Quota::kNodePermissions], 15U);
  EXPECT_EQ(config.quotas[Quota::kPathMax], 16U);
  EXPECT_EQ(config.quotas[Quota::kOutstanding], 17U);
  EXPECT_EQ(config.quotas[Quota::kSoftMemory], 18U);
  EXPECT_EQ(config.watch_event_timeout, std::chrono::seconds(19));
  EXPECT_TRUE(config.keep_orphans);
}

TEST_F(Options, I1_LongOptionsHaveTheirEffect) {
  const Config config =
      good({"--pid-file", "/p/pid", "--no-fork", "--trace-file=/t/trace", "--entry-nb=11",
            "--entry-size=12", "--watch-nb=13", "--transaction=14", "--perm-nb=15", "--path-max=16",
            "--quota=transaction-nodes=17", "--quota-soft=memory=18", "--timeout", "watch-event=19",
            "--keep-orphans", "--trace-control=+wrl", "--trace-control", "-io"});
  EXPECT_EQ(config.pid_file, "/p/pid");
  EXPECT_FALSE(config.daemonize);
  EXPECT_EQ(config.trace_file, "/t/trace");
  EXPECT_EQ(config.quotas[Quota::kNodes], 11U);
  EXPECT_EQ(config.quotas[Quota::kNodeSize], 12U);
  EXPECT_EQ(config.quotas[Quota::kWatches], 13U);
  EXPECT_EQ(config.quotas[Quota::kTransactions], 14U);
  EXPECT_EQ(config.quotas[Quota::kNodePermissions], 15U);
  EXPECT_EQ(config.quotas[Quota::kPathMax], 16U);
  EXPECT_EQ(config.quotas[Quota::kTransactionNodes], 17U);
  EXPECT_EQ(config.quotas[Quota::kSoftMemory], 18U);
  EXPECT_EQ(config.watch_event_timeout, std::chrono::seconds(19));
  EXPECT_TRUE(config.keep_orphans);
  EXPECT_THAT(config.trace_control, ElementsAre("+wrl", "-io"));
}

TEST_F(Options, OwnOptionsHaveTheirEffect) {
  const Config config = good({"--state-dir=/s", "--journal-dir=/j", "--durability=disk",
                              "--after-reboot=empty", "--history=off", "--xen=off"});
  EXPECT_EQ(config.state_dir, "/s");
  EXPECT_EQ(config.history_dir(), "/s/history.git");
  EXPECT_EQ(config.journal_dir, "/j");
  EXPECT_EQ(config.durability, store::Durability::kDisk);
  EXPECT_EQ(config.after_reboot, AfterReboot::kEmpty);
  EXPECT_FALSE(config.history);
  EXPECT_EQ(config.xen, XenMode::kOff);
  EXPECT_EQ(good({"--durability", "memory"}).durability, store::Durability::kMemory);
  EXPECT_EQ(good({"--after-reboot", "keep"}).after_reboot, AfterReboot::kKeep);
  EXPECT_EQ(good({"--xen", "on"}).xen, XenMode::kOn);
}

TEST_F(Options, I1_EveryQuotaOfTheTableCanBeNamed) {
  for (const QuotaInfo& info : quota_infos()) {
    if (info.soft) continue;
    EXPECT_EQ(good({"-Q", std::string(info.name) + "=7"}).quotas[info.quota], 7U) << info.name;
  }
  EXPECT_EQ(good({"-Q", "permissions=7"}).quotas[Quota::kNodePermissions], 7U);
  EXPECT_EQ(good({"-Q", "path-length=7"}).quotas[Quota::kPathMax], 7U);
}

TEST_F(Options, I1_TheLastOfSeveralCounts) {
  EXPECT_EQ(good({"-E", "5", "-Q", "nodes=6"}).quotas[Quota::kNodes], 6U);
  EXPECT_EQ(good({"-Q", "nodes=6", "-E", "5"}).quotas[Quota::kNodes], 5U);
  EXPECT_EQ(good({"-F", "/a", "-F", "/b"}).pid_file, "/b");
  const Config two = good({"-Q", "memory=1", "-Q", "outstanding=2"});
  EXPECT_EQ(two.quotas[Quota::kMemory], 1U);
  EXPECT_EQ(two.quotas[Quota::kOutstanding], 2U);
}

TEST_F(Options, I1_PathLimitIsCappedAndZeroIsTheCap) {
  EXPECT_EQ(good({"-M", "3000"}).quotas[Quota::kPathMax], 2048U);
  EXPECT_EQ(good({"-M", "0"}).quotas[Quota::kPathMax], 2048U);
  EXPECT_EQ(good({"-M", "2047"}).quotas[Quota::kPathMax], 2047U);
}

TEST_F(Options, I1_BadValuesAreFatalAndNamed) {
  EXPECT_THAT(bad({"-E", "many"}), HasSubstr("'many' is not a whole number"));
  EXPECT_THAT(bad({"-E", "-1"}), HasSubstr("'-1'"));
  EXPECT_THAT(bad({"-E", "2147483648"}), HasSubstr("2147483648"));
  EXPECT_THAT(bad({"-E", "1x"}), HasSubstr("'1x'"));
  EXPECT_THAT(bad({"-E", ""}), HasSubstr("-E"));
  EXPECT_THAT(bad({"-E"}), HasSubstr("--entry-nb"));
  EXPECT_THAT(bad({"-Q", "nodes"}), HasSubstr("name=number"));
  EXPECT_THAT(bad({"-Q", "sheep=3"}), HasSubstr("no quota 'sheep'"));
  EXPECT_THAT(bad({"-Q", "soft-memory=3"}), HasSubstr("soft-memory"));
  EXPECT_THAT(bad({"-q", "nodes=3"}), HasSubstr("no soft quota 'nodes'"));
  EXPECT_THAT(bad({"-w", "tea=3"}), HasSubstr("no timeout 'tea'"));
  EXPECT_THAT(bad({"--trace-control=io"}), HasSubstr("'io'"));
  EXPECT_THAT(bad({"--trace-control=+tea"}), HasSubstr("'+tea'"));
  EXPECT_THAT(bad({"--durability=iron"}), HasSubstr("'iron' is not memory, process or disk"));
  EXPECT_THAT(bad({"--after-reboot=auto"}), HasSubstr("empty or keep"));
  EXPECT_THAT(bad({"--history=yes"}), HasSubstr("on or off"));
  EXPECT_THAT(bad({"--xen=maybe"}), HasSubstr("auto, on or off"));
}

TEST_F(Options, I1_UnknownOptionsAndPositionalArgumentsAreFatal) {
  EXPECT_THAT(bad({"--frobnicate"}), HasSubstr("--frobnicate"));
  EXPECT_THAT(bad({"start"}), HasSubstr("start"));
  EXPECT_THAT(bad({"-N", "--", "start"}), HasSubstr("start"));
}

TEST_F(Options, H7_WhatALiveUpdateAddsToACDaemonsCommandLine) {
  EXPECT_FALSE(good({}).live_update);
  EXPECT_TRUE(good({"--live-update"}).live_update);
  const Config config = good({"--no-fork", "--pid-file", "/p", "-E", "5", "-I", "off", "-U"});
  EXPECT_TRUE(config.live_update);
  EXPECT_FALSE(config.daemonize);
  EXPECT_EQ(config.quotas[Quota::kNodes], 5U);
}

TEST_F(Options, I1_A4_SplitStores) {
  const Config plain = good({"-N"});
  EXPECT_EQ(plain.store_domid, 0);
  EXPECT_EQ(plain.control_domid, 0);
  EXPECT_EQ(plain.own_event, 0U);
  const Config split = good({"--master-domid", "3", "--priv-domid=1", "-e", "7"});
  EXPECT_EQ(split.store_domid, 3);
  EXPECT_EQ(split.control_domid, 1);
  EXPECT_EQ(split.own_event, 7U);
  EXPECT_THAT(bad({"-m", "32752"}), HasSubstr("-m"));
  EXPECT_THAT(bad({"-p", "x"}), HasSubstr("-p"));
}

TEST_F(Options, I2_RemovedOptionsWarnAndAreIgnored) {
  const Config config = good({"-D", "-P", "-R", "-Ion", "-V", "-N"});
  EXPECT_EQ(config.warnings.size(), 5U);
  EXPECT_THAT(config.warnings, ::testing::Each(HasSubstr("ignored")));
  EXPECT_FALSE(config.daemonize);
  EXPECT_EQ(
      good({"--no-domain-init", "--output-pid", "--no-recovery", "--verbose"}).warnings.size(), 4U);
  for (const std::vector<std::string>& form : {std::vector<std::string>{"-I", "off", "-N"},
                                               {"-Ioff", "-N"},
                                               {"-I", "-N"},
                                               {"--internal-db", "on", "-N"},
                                               {"--internal-db=off", "-N"}}) {
    const Config with = good(form);
    EXPECT_THAT(with.warnings, ElementsAre(HasSubstr("--internal-db"))) << form.front();
    EXPECT_FALSE(with.daemonize);
  }
}

TEST_F(Options, HelpAndVersionEndEarlyWithSuccess) {
  for (const char* option : {"-H", "--help"}) {
    const auto help = parse({option});
    ASSERT_FALSE(help.has_value());
    EXPECT_EQ(help.error().exit_code, 0);
    EXPECT_THAT(help.error().text, HasSubstr("--pid-file"));
  }
  const auto version = parse({"--version"});
  ASSERT_FALSE(version.has_value());
  EXPECT_EQ(version.error().exit_code, 0);
  EXPECT_THAT(version.error().text, ::testing::MatchesRegex("vxenstored [0-9.]+\n"));
}

}  // namespace
}  // namespace vxs::config
