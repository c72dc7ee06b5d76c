// The clients people have: Debian's tools with all their options, libxenstore, pyxs.
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "tests/conformance/fixture.hh"
#include "tests/conformance/run_client.hh"
#include "tests/support/daemon_ready.hh"

namespace vxs::conformance {
namespace {

const std::string kXenBin = "/usr/lib/xen-4.17/bin/";

class Clients : public Conformance {
 protected:
  /// The output of a client; a code other than `code` fails the test.
  static std::string run(const std::vector<std::string>& argv, int code = 0) {
    std::vector<std::string> words = argv;
    if (!words[0].starts_with('/')) words[0] = "/usr/bin/" + words[0];
    const ClientResult result = run_client(daemon().dir(), words);
    EXPECT_EQ(result.exit_code, code) << testing::PrintToString(argv) << "\n" << result.output;
    return result.output;
  }
  static std::string control(std::vector<std::string> words, int code = 0) {
    words.insert(words.begin(), kXenBin + "xenstore-control");
    return run(words, code);
  }

  Client client_ = connect();
};

TEST_F(Clients, A1_K9_XenstoreWriteAndRead) {
  run({"xenstore-write", at("/a"), "1", at("/b"), "two words", at("/empty"), ""});
  EXPECT_EQ(client_.read(at("/b")), "two words");
  EXPECT_EQ(run({"xenstore-read", at("/a")}), "1\n");
  EXPECT_EQ(run({"xenstore-read", "-p", at("/a"), at("/b")}),
            at("/a") + ": 1\n" + at("/b") + ": two words\n");
  EXPECT_EQ(run({"xenstore-read", "-s", at("/a")}), "1\n");
  EXPECT_THAT(run({"xenstore-read", at("/missing")}, 1), HasSubstr("couldn't read path"));
  run({"xenstore-write", "-s", at("/a"), "2"});
  EXPECT_EQ(client_.read(at("/a")), "2");
  run({"xenstore-write", "-R", at("/raw"), "tab\there"});
  EXPECT_EQ(client_.read(at("/raw")), "tab\there");
  EXPECT_EQ(run({"xenstore-read", "-R", at("/raw")}), "tab\there");
  EXPECT_EQ(run({"xenstore-read", at("/raw")}), "tab\\there\n");
  run({"xenstore-write", "relative/by/tool", "v"});
  EXPECT_EQ(client_.read("/local/domain/0/relative/by/tool"), "v");
  EXPECT_EQ(run({"xenstore", "read", at("/a")}), "2\n") << "the one program with all commands";
}

TEST_F(Clients, K9_XenstoreReadOfSeveralKeysUsesATransaction) {
  run({"xenstore-write", at("/a"), "1", at("/b"), "2"});
  EXPECT_EQ(run({"xenstore-read", at("/a"), at("/b")}), "1\n2\n");
}

TEST_F(Clients, K9_XenstoreLs) {
  run({"xenstore-write", at("/a/b"), "v\n", at("/a/c"), "w"});
  ASSERT_EQ(client_.set_perms(at("/a/c"), "n5 r6"), kOk);
  EXPECT_EQ(run({"xenstore-ls", at()}), "a = \"\"\n b = \"v\\n\"\n c = \"w\"\n");
  EXPECT_EQ(run({"xenstore-ls", "-f", at()}),
            at("/a = \"\"\n") + at("/a/b = \"v\\n\"\n") + at("/a/c = \"w\"\n"));
  EXPECT_THAT(run({"xenstore-ls", "-p", at()}), HasSubstr("(n5,r6)"));
  EXPECT_THAT(run({"xenstore-ls", "-fp", at()}), HasSubstr(at("/a/c = \"w\"   (n5,r6)\n")));
  EXPECT_THAT(run({"xenstore-ls", "-s"}), HasSubstr("tool = \"\"\n xenstored = \"\"\n"));
  EXPECT_THAT(run({"xenstore-ls", at("/missing")}, 1), HasSubstr("No such file"));
}

TEST_F(Clients, B6_XenstoreLsOfMoreThanOneMessage) {
  std::string expected;
  for (int i = 1000; i < 2500; ++i) {
    ASSERT_EQ(client_.write(at("/child") + std::to_string(i), ""), kOk);
    expected += "child" + std::to_string(i) + "\n";
  }
  EXPECT_EQ(run({"xenstore-list", at()}), expected);
}

TEST_F(Clients, XenstoreList) {
  run({"xenstore-write", at("/z"), "", at("/a"), ""});
  EXPECT_EQ(run({"xenstore-list", at()}), "z\na\n");
  EXPECT_EQ(run({"xenstore-list", "-p", at()}), at("/z\n") + at("/a\n"));
  EXPECT_EQ(run({"xenstore-list", "-s", at(), "/tool"}), "z\na\nxenstored\n");
  run({"xenstore-list", at("/missing")}, 1);
}

TEST_F(Clients, XenstoreExists) {
  run({"xenstore-write", at("/a"), ""});
  run({"xenstore-exists", at("/a")});
  run({"xenstore-exists", "-s", at(), at("/a")});
  run({"xenstore-exists", at("/a"), at("/missing")}, 1);
}

TEST_F(Clients, K9_XenstoreRmAndTidy) {
  run({"xenstore-write", at("/a/b/c"), "v", at("/keep"), "w", at("/d"), "x"});
  run({"xenstore-rm", "-t", at("/a/b/c")});
  EXPECT_EQ(client_.list(at()), "keep d") << "-t removes parents that became empty";
  run({"xenstore-rm", at("/d")});
  run({"xenstore-write", at("/e"), "x", at("/f"), "x"});
  run({"xenstore-rm", "-s", at("/e"), at("/f")});
  EXPECT_EQ(client_.list(at()), "keep");
  run({"xenstore-rm", at("/no/such/node")}, 1);
}

TEST_F(Clients, K9_XenstoreChmod) {
  run({"xenstore-write", at("/a/b"), ""});
  run({"xenstore-chmod", at("/a/b"), "n3", "r4"});
  EXPECT_EQ(client_.perms(at("/a/b")), "n3 r4");
  run({"xenstore-chmod", "-r", at("/a"), "b5"});
  EXPECT_EQ(client_.perms(at("/a")), "b5");
  EXPECT_EQ(client_.perms(at("/a/b")), "b5");
  run({"xenstore-chmod", "-u", at("/a/b"), "r7"});
  EXPECT_EQ(client_.perms(at("/a")), "r7");
  run({"xenstore-chmod", "-s", at("/a"), "n0"});
  EXPECT_EQ(client_.perms(at("/a")), "n0");
  run({"xenstore-chmod", at("/missing"), "n0"}, 1);
}

TEST_F(Clients, XenstoreWatchPrintsEventsAndEndsAfterN) {
  std::string output;
  std::thread watcher([&] { output = run({"xenstore-watch", "-n", "3", at()}); });
  EXPECT_TRUE(eventually([&] { return status(client_, "watches") == "1"; }));
  EXPECT_EQ(client_.write(at("/one"), "v"), kOk);
  EXPECT_EQ(client_.write(at("/two"), "v"), kOk);
  watcher.join();
  EXPECT_EQ(output, at("\n") + at("/one\n") + at("/two\n"));
}

TEST_F(Clients, H2_XenstoreControl) {
  EXPECT_THAT(control({"help"}), HasSubstr("\nhelp "));
  EXPECT_EQ(control({"check"}), "OK\n");
  EXPECT_THAT(control({"log"}), HasSubstr("Log switch settings:\nobj: on\nio: on\nwrl: off\n"));
  EXPECT_EQ(control({"logfile", daemon().dir() + "/trace"}), "OK\n");
  EXPECT_EQ(control({"log", "on"}), "OK\n");
  EXPECT_EQ(control({"memreport"}), "OK\n") << "into the trace";
  EXPECT_EQ(control({"log", "off"}), "OK\n");
  EXPECT_EQ(control({"memreport", daemon().dir() + "/memory"}), "OK\n");
  EXPECT_EQ(control({"print", "hello"}), "OK\n");
  EXPECT_THAT(control({"quota"}), HasSubstr("Quota settings:\nnodes            :     1000 "));
  EXPECT_EQ(control({"quota", "set", "watches", "129"}), "OK\n");
  EXPECT_EQ(control({"quota", "set", "watches", "128"}), "OK\n");
  EXPECT_THAT(control({"quota", "999"}),
              HasSubstr("Domain 999:\nnodes            :        0 (max "));
  EXPECT_THAT(control({"quota", "max"}), HasSubstr("Max. seen accounting values:"));
  EXPECT_THAT(control({"quota-soft"}), HasSubstr("memory"));
}

TEST_F(Clients, H1_XenstoreControlShowsTheHelpForUnknownCommands) {
  EXPECT_THAT(control({"nonsense"}, 3),
              HasSubstr("Command not supported. Valid commands are:\ncheck "));
}

TEST_F(Clients, H4_K13_XenstoreControlLiveUpdatePrintsTheReason) {
  EXPECT_THAT(control({"live-update", "/etc/passwd"}, 3), HasSubstr("File not executable."));
  EXPECT_EQ(client_.list("/tool"), "xenstored") << "and the daemon serves on";
}

TEST_F(Clients, E5_C4_TestXenstorePasses) {
  const std::string program = kXenBin + "test-xenstore";
  const std::string output = run({program});
  for (const char* test : {"read 1", "read 2000", "write 1", "write 2000", "dir", "rm node",
                           "rm dir", "ta empty", "ta empty x", "ta rmw", "ta rmw x", "ta err"}) {
    std::string line(test);
    line.resize(10, ' ');
    EXPECT_THAT("\n" + output, testing::ContainsRegex("\n" + line + ": +[0-9]+ ns\n")) << output;
  }
  EXPECT_THAT(output, testing::Not(HasSubstr("failed")));
  const std::string random = run({program, "-r", "1"});
  EXPECT_THAT(random, testing::Not(HasSubstr("failed")));
}

TEST_F(Clients, K1_K2_EveryCallOfLibxenstore) {
  EXPECT_EQ(run({required_env("VXS_BUILD_DIR") + "/tests/conformance/libxenstore_client"}),
            "all passed\n");
}

TEST_F(Clients, K11_EveryCallOfPyxs) {
  EXPECT_EQ(run({"python3", required_env("VXS_SOURCE_DIR") + "/tests/conformance/pyxs_client.py",
                 daemon().socket_path()}),
            "all passed\n");
}

}  // namespace
}  // namespace vxs::conformance
