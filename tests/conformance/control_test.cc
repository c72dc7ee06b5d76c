// Chapter H: CONTROL.
#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "tests/conformance/fixture.hh"

namespace vxs::conformance {
namespace {

using namespace std::string_literals;

class Control : public Conformance {
 protected:
  static std::string contents(const std::string& file) {
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  Client client_ = connect();
};

TEST_F(Control, H1_UnknownCommandsAndBadFramingAreEinval) {
  EXPECT_EQ(client_.control({"nonsense"}), "!EINVAL");
  EXPECT_EQ(client_.control({""}), "!EINVAL");
  EXPECT_EQ(client_.ask(kControl, ""), "!EINVAL");
  EXPECT_EQ(client_.ask(kControl, "help"), "!EINVAL") << "no NUL";
  EXPECT_EQ(client_.ask(kControl, "help\0x"s), client_.ask(kControl, "help\0"s))
      << "bytes after the last NUL are no argument";
}

TEST_F(Control, H1_WrongNumbersOfArgumentsAreEinval) {
  EXPECT_EQ(client_.control({"help", "x"}), "!EINVAL");
  EXPECT_EQ(client_.control({"check", "x"}), "!EINVAL");
  EXPECT_EQ(client_.control({"log", "on", "off"}), "!EINVAL");
  EXPECT_EQ(client_.control({"logfile"}), "!EINVAL");
  EXPECT_EQ(client_.control({"memreport", "a", "b"}), "!EINVAL");
  EXPECT_EQ(client_.control({"print"}), "!EINVAL");
  EXPECT_EQ(client_.control({"quota", "1", "2"}), "!EINVAL");
  EXPECT_EQ(client_.control({"quota-soft", "nonsense"}), "!EINVAL");
}

TEST_F(Control, H2_HelpNamesEveryCommandInAColumnOf15) {
  const std::string text = client_.control({"help"});
  for (const char* name : {"check", "help", "live-update", "log", "logfile", "memreport", "print",
                           "quota", "quota-soft"}) {
    std::string padded(name);
    padded.resize(15, ' ');
    EXPECT_THAT("\n" + text, HasSubstr("\n" + padded + " ")) << name;
  }
  EXPECT_TRUE(text.ends_with('\n'));
}

TEST_F(Control, H2_CheckLooksAtTheWholeTree) {
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(client_.write(at("/") + std::to_string(i) + "/deep/leaf", "v"), kOk);
    if (i % 3 == 0) {
      ASSERT_EQ(client_.rm(at("/") + std::to_string(i)), kOk);
    }
  }
  EXPECT_EQ(client_.control({"check"}), "OK");
}

TEST_F(Control, H2_LogShowsAndTurnsSwitches) {
  EXPECT_EQ(client_.control({"log"}),
            "Log switch settings:\nobj: on\nio: on\nwrl: off\nacc: off\ntdb: off\n");
  EXPECT_EQ(client_.control({"log", "+wrl"}), "OK");
  EXPECT_THAT(client_.control({"log"}), HasSubstr("wrl: on\n"));
  EXPECT_EQ(client_.control({"log", "-wrl"}), "OK");
  EXPECT_EQ(client_.control({"log", "+nonsense"}), "!EINVAL");
  EXPECT_EQ(client_.control({"log", "nonsense"}), "!EINVAL");
}

TEST_F(Control, H2_I10_LogfileTracesRequestsAndLogTurnsItOffAndOn) {
  const std::string file = daemon().dir() + "/trace";
  ASSERT_EQ(client_.control({"logfile", file}), "OK");
  struct stat found {};
  ASSERT_EQ(stat(file.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0600U);
  ASSERT_EQ(client_.write(at(), "seen"), kOk);
  EXPECT_THAT(contents(file), HasSubstr(" WRITE (" + at() + " seen)"));
  EXPECT_THAT(contents(file), testing::ContainsRegex("io: IN 0x[0-9a-f]+ \\(d0\\) [0-9]{8} "));
  ASSERT_EQ(client_.control({"log", "off"}), "OK");
  ASSERT_EQ(client_.write(at(), "hidden"), kOk);
  EXPECT_THAT(contents(file), testing::Not(HasSubstr("hidden")));
  ASSERT_EQ(client_.control({"log", "on"}), "OK");
  { const Client passing = connect(); }
  ASSERT_TRUE(
      eventually([&] { return contents(file).find("DESTROY connection") != std::string::npos; }));
  EXPECT_THAT(contents(file), HasSubstr("obj: CREATE connection"));
  ASSERT_EQ(client_.control({"log", "off"}), "OK");
  EXPECT_EQ(client_.control({"logfile", "/no/such/directory/file"}), "!ENOENT");
}

TEST_F(Control, H2_MemreportIsAppended) {
  const std::string file = daemon().dir() + "/memory";
  ASSERT_EQ(client_.control({"memreport", file}), "OK");
  const std::string once = contents(file);
  EXPECT_THAT(once, HasSubstr("heap bytes"));
  ASSERT_EQ(client_.control({"memreport", file}), "OK");
  EXPECT_GT(contents(file).size(), once.size());
}

TEST_F(Control, H2_B0_4_MemreportWithoutATraceIsEinval) {
  (void)client_.control({"log", "off"});
  EXPECT_EQ(client_.control({"memreport"}), "!EINVAL");
}

TEST_F(Control, H2_PrintGoesToTheLogEscaped) {
  ASSERT_EQ(client_.control({"print", "hello\n\x1b[31m"}), "OK");
  EXPECT_TRUE(eventually([] { return logged("hello\\n"); }));
  EXPECT_EQ(daemon().output().find('\x1b'), std::string::npos);
}

TEST_F(Control, H2_QuotaListsSetsAndShowsDomains) {
  const std::string text = client_.control({"quota"});
  EXPECT_TRUE(text.starts_with("Quota settings:\n"));
  EXPECT_THAT(text, HasSubstr("\nnodes            :     1000 "));
  EXPECT_THAT(text, HasSubstr("\ntransaction-nodes:     1024 "));
  ASSERT_EQ(client_.control({"quota", "set", "nodes", "2000"}), "OK");
  EXPECT_THAT(client_.control({"quota"}), HasSubstr("\nnodes            :     2000 "));
  EXPECT_EQ(client_.ask(kGetQuota, {"nodes"}), "2000\0"s);
  ASSERT_EQ(client_.control({"quota", "set", "nodes", "1000"}), "OK");
  for (const char* bad : {"0", "-1", "x", ""}) {
    EXPECT_EQ(client_.control({"quota", "set", "nodes", bad}), "!EINVAL") << bad;
  }
  EXPECT_EQ(client_.control({"quota", "set", "unknown", "5"}), "!EINVAL");
  EXPECT_EQ(client_.control({"quota", "set", "nodes"}), "!EINVAL");

  // What it has, and the most it ever had.
  const std::string domain = client_.control({"quota", "5"});
  EXPECT_TRUE(domain.starts_with("Domain 5:\n"));
  EXPECT_THAT(domain, HasSubstr("\nwatches          :        0 (max        0)"));
  EXPECT_EQ(client_.control({"quota", "40000"}), "!ENOENT");
  EXPECT_EQ(client_.control({"quota", "x"}), "!EINVAL");
}

TEST_F(Control, H2_QuotaMaxShowsTheHighestValues) {
  EXPECT_TRUE(client_.control({"quota", "max"}).starts_with("Max. seen accounting values:\n"));
  EXPECT_TRUE(
      client_.control({"quota", "max", "-r"}).starts_with("Max. seen accounting values:\n"));
  EXPECT_EQ(client_.control({"quota", "max", "-x"}), "!EINVAL");
}

TEST_F(Control, H2_QuotaSoftHasItsOwnNames) {
  EXPECT_THAT(client_.control({"quota-soft"}), HasSubstr("memory"));
  EXPECT_EQ(client_.control({"quota-soft", "set", "memory", "3000000"}), "OK");
  EXPECT_EQ(client_.ask(kGetQuota, {"soft-memory"}), "3000000\0"s);
  EXPECT_EQ(client_.control({"quota-soft", "set", "memory", "2097152"}), "OK");
  EXPECT_EQ(client_.control({"quota-soft", "set", "nodes", "1"}), "!EINVAL");
}

// What 4.17 answers to the same requests.
TEST_F(Control, H4_LiveUpdateHasASession) {
  const auto ask = [this](auto... words) { return client_.control({"live-update", words...}); };
  EXPECT_EQ(ask(), "!EINVAL");
  EXPECT_EQ(ask("-x"), "!EINVAL");
  EXPECT_EQ(ask("-a", "x"), "!EINVAL");
  EXPECT_EQ(ask("-a"), "No live-update session active.");
  EXPECT_EQ(ask("-s"), "Not in live-update session.");
  EXPECT_EQ(ask("-c", "x"), "Not in live-update session.");
  EXPECT_EQ(ask("-f", "/missing"), "File not accessible.");
  EXPECT_EQ(ask("-f", "/etc/passwd"), "File not executable.");
  EXPECT_EQ(ask("-f", "/bin/true"), "OK");
  EXPECT_EQ(ask("-f", "/bin/true"), "live-update session already active.");
  EXPECT_EQ(ask("-c", "a b"), "OK");
  EXPECT_EQ(ask("-s", "-t"), "!EINVAL");
  EXPECT_EQ(ask("-a"), "OK");
}

}  // namespace
}  // namespace vxs::conformance
