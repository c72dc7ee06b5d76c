// What is new with us: a tree of versions, a journal and a Git repository that guests' requests
// grow, and in which their bytes are shown to people.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/abuse/fixture.hh"
#include "tests/support/daemon_ready.hh"

namespace vxs::abuse {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

/// Everything a shell command prints.
std::string run(const std::string& command) {
  std::string text;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return text;
  std::array<char, 65536> chunk;
  while (const std::size_t count = fread(chunk.data(), 1, chunk.size(), pipe)) {
    text.append(chunk.data(), count);
  }
  pclose(pipe);
  return text;
}

std::uintmax_t bytes_below(const std::string& directory) {
  std::uintmax_t bytes = 0;
  std::error_code ignored;  // files come and go
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, ignored)) {
    if (entry.is_regular_file(ignored)) bytes += entry.file_size(ignored);
  }
  return bytes;
}

class History : public Abuse {
 protected:
  explicit History(std::vector<std::string> args = {}) : Abuse(std::move(args)) {}
  void SetUp() override {
    Abuse::SetUp();
    add_guest(kBad);
  }
  FakeGuest& bad() { return guest(kBad); }

  [[nodiscard]] std::string git(const std::string& arguments) {
    return run("git -C " + daemon().history_dir() + ' ' + arguments + " 2>&1");
  }
  [[nodiscard]] std::string vxs(const std::string& arguments) {
    const auto space = arguments.find(' ');
    return run(required_env("VXS_BUILD_DIR") + "/tools/vxs " + arguments.substr(0, space) +
               " --state-dir " + daemon().state_dir() + " --color never" +
               (space == std::string::npos ? "" : arguments.substr(space)) + " 2>&1");
  }
  /// Waits until the repository has everything.
  bool history_is_complete() {
    return eventually([&] { return status(dom0(), "history-lag") == 0; });
  }

  /// A good guest's writes all succeed while `act` is done; nobody gets ENOSPC for another's flood.
  void nobody_else_is_refused(const std::function<void()>& act, long memory_bound) {
    add_guest(5);
    std::thread writer;
    std::atomic<bool> stop = false;
    std::string refused;
    writer = std::thread([&] {
      for (int i = 0; !stop && refused.empty(); ++i) {
        const std::string answer = write(guest(5), "k" + std::to_string(i % 10), "v");
        if (answer != kOk) refused = answer;
        std::this_thread::sleep_for(milliseconds(5));
      }
    });
    const auto until = steady_clock::now() + kFlood;
    do beside(act, memory_bound);
    while (steady_clock::now() < until && !HasFailure());
    stop = true;
    writer.join();
    EXPECT_EQ(refused, "");
  }
  static constexpr milliseconds kFlood{3000};
};

/// Of the bytes beyond ASCII there are our own arrows.
bool has_control_byte(const std::string& text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f;
  });
}

/// The name of a file with this text, which lasts as long as the program.
std::string configured(const std::string& text) {
  static const TempDir directory("/dev/shm");
  static int count = 0;
  std::string path = directory.path() + '/' + std::to_string(++count) + ".toml";
  std::ofstream(path) << text;
  return path;
}

/// A journal that a flood uses up. (Segments of the usual size would fill it from the start.)
class SmallJournal : public History {
 protected:
  SmallJournal() : History({"--config", configured("journal-budget-mib = 16\n")}) {}
};

TEST_F(History, ACommitFloodIsFoldedAndOthersAreServed) {
  int turn = 0;
  nobody_else_is_refused([&] { EXPECT_EQ(write(bad(), "k", std::to_string(turn++)), kOk); },
                         96 * kMiB);
  EXPECT_TRUE(history_is_complete());
  const long commits = status(dom0(), "history-commits");
  std::printf("  %d writes, %ld commits\n", turn, commits);
  EXPECT_LT(commits, turn / 2 + 2000) << "nothing was folded";
}

TEST_F(SmallJournal, PacksAndJournalStayWithinTheirBudget) {
  const std::string value(2000, 'v');
  int turn = 0;
  nobody_else_is_refused(
      [&] {
        const std::string path = "f/" + std::to_string(turn % 50);
        const std::string answer = write(bad(), path, value + std::to_string(turn++ % 10));
        EXPECT_THAT(answer, AnyOf(kOk, "!ENOSPC", "!ENOMEM"));
      },
      128 * kMiB);
  const auto journal = bytes_below(daemon().journal_dir());
  std::printf("  %d writes; journal %ju KiB, state %ju KiB\n", turn, journal / kKiB,
              bytes_below(daemon().state_dir()) / kKiB);
  // The segments' budget, and a checkpoint that is written beside the one it replaces.
  EXPECT_LE(journal, (16U + 8U) * kMiB);
  EXPECT_EQ(git("fsck --strict --no-dangling"), "");
}

TEST_F(History, DeepPathsAreTheirOwnersAffair) {
  std::string path = "d";
  while (path.size() < 1900) path += "/d";
  long turn = 0;
  beside(
      [&] {
        EXPECT_THAT(write(bad(), path, std::to_string(turn++)), AnyOf(kOk, "!ENOSPC", "!ENOMEM"));
      },
      128 * kMiB);
  EXPECT_TRUE(eventually([&] { return status(dom0(), "history-seq") > 0; }));
  EXPECT_EQ(git("fsck --strict --no-dangling"), "");
}

TEST_F(History, TransactionsLeftOpenDoNotPinOldTrees) {
  std::vector<std::uint32_t> open;
  while (const std::uint32_t tx = start(bad())) open.push_back(tx);
  ASSERT_EQ(open.size(), 10U);
  for (const std::uint32_t tx : open) {
    for (int i = 0; i < 1000; ++i) (void)read(bad(), "no/" + std::to_string(i), tx);
  }
  const std::string value(1500, 'v');
  int turn = 0;
  beside(
      [&] {
        const std::string directory = "/tree/" + std::to_string(turn++ % 40);
        EXPECT_EQ(write(toolstack(), directory + "/node", value + std::to_string(turn)), kOk);
        EXPECT_EQ(rm(toolstack(), directory), kOk);
      },
      64 * kMiB);
  std::printf("  pinned %ld bytes\n", status(dom0(), "pinned-bytes"));
  for (const std::uint32_t tx : open) {
    EXPECT_THAT(commit(bad(), tx), AnyOf(kOk, "!EAGAIN", "!ENOMEM"));
  }
  EXPECT_EQ(status(dom0(), "pinned-bytes"), 0);
  ASSERT_EQ(rm(dom0(), "/tree"), kOk);
}

TEST_F(History, NamesOfTwoThousandBytesFitGitToo) {
  int turn = 0;
  beside([&] {
    std::string name(2000, 'n');
    name += std::to_string(turn++ % 10);
    EXPECT_EQ(write(bad(), name, "v"), kOk);
    EXPECT_EQ(rm(bad(), name), kOk);
  });
  ASSERT_EQ(write(bad(), std::string(2000, 'n'), "v"), kOk);
  ASSERT_TRUE(history_is_complete());
  EXPECT_EQ(git("fsck --strict --no-dangling"), "");
  const TempDir clone("/dev/shm");
  EXPECT_THAT(run("git clone -q " + daemon().history_dir() + ' ' + clone.path() + "/c 2>&1"),
              Not(HasSubstr("fatal")));
  EXPECT_TRUE(std::filesystem::exists(clone.path() + "/c/local"));
}

TEST_F(History, NothingAGuestWritesEscapesIntoMessagesRefsOrTerminals) {
  using namespace std::string_literals;
  const std::string evil =
      "x\n\nSeq: 999999\nDomain: 0\nTransaction: T\nauthor dom0 <dom0@x> 0 +0000\n"
      "\x1b]0;owned\x07\x1b[2J\x9b\xc2\x9b\xe2\x80\xae\r\b\x7f\0tail"s;
  ASSERT_EQ(write(bad(), "value", evil), kOk);
  ASSERT_EQ(write(bad(), "value", evil + "2"), kOk);
  for (const std::string& name :
       {std::string("n\nSeq: 1"), std::string("n\x1b[31m"), std::string("../../x"),
        std::string("a.lock"), std::string(".git"),
        std::string("n\x9b"
                    "1m")}) {
    EXPECT_EQ(write(bad(), name, "v"), "!EINVAL") << name;
  }
  for (const char* name : {"-rf", "--upload-pack", "refs", "HEAD", "a@b"}) {
    ASSERT_EQ(write(bad(), name, "v"), kOk) << name;
  }
  ASSERT_EQ(watch(bad(), "value", evil.substr(0, evil.find('\0'))), kOk);
  const std::uint32_t tx = start(bad());
  ASSERT_EQ(read(bad(), "value", tx), evil + "2");
  ASSERT_EQ(write(bad(), "value", evil + "3", tx), kOk);
  ASSERT_EQ(write(dom0(), home(kBad, "/value"), evil), kOk);
  EXPECT_EQ(commit(bad(), tx), "!EAGAIN") << "a conflict is history too";
  EXPECT_EQ(control(dom0(), {"print", evil.substr(0, evil.find('\0'))}), "OK");
  ASSERT_TRUE(history_is_complete());

  const std::string log = git("log --all --format=raw");
  EXPECT_THAT(log, HasSubstr("value"));
  for (const std::string& text :
       {log, git("for-each-ref"), vxs("log -p"), vxs("log -p /local/domain/2"), vxs("conflicts"),
        vxs("blame /local/domain/2"), vxs("at now read /local/domain/2/value"),
        vxs("at now ls /local/domain/2"), daemon().output()}) {
    EXPECT_FALSE(has_control_byte(text)) << text;
    EXPECT_THAT(text, Not(HasSubstr("\xc2\x9b")));
    EXPECT_THAT(text, Not(HasSubstr("\xe2\x80\xae"))) << "text that runs backwards";
    EXPECT_THAT(text, Not(HasSubstr("\nSeq: 999999")));
    EXPECT_THAT(text, Not(HasSubstr("\n    Seq: 999999")));
    EXPECT_THAT(text, Not(HasSubstr("\nauthor dom0 <dom0@x>")));
  }
  EXPECT_THAT(git("log --all --format='%(trailers:key=Seq,valueonly)'"), Not(HasSubstr("999999")));
  EXPECT_EQ(git("fsck --strict --no-dangling"), "");
}

/// A daemon that is told what to keep out of history.
class Redacted : public History {
 protected:
  Redacted()
      : History({"--after-reboot", "keep", "--config",
                 configured("[history]\nredact = ['/local/domain/*/data/**', '/keys/*/pw']\n")}) {}

  /// Whether any object holds the text, those no ref leads to included.
  bool in_git(const std::string& text) {
    return git("cat-file --batch --batch-all-objects --unordered").find(text) !=
               std::string::npos ||
           git("log --all --format=raw").find(text) != std::string::npos;
  }
};

TEST_F(Redacted, SecretsAreInNoObjectOfTheRepositoryAndLiveOnInCheckpoints) {
  const std::string secret = "hunter2-the-secret";
  ASSERT_EQ(write(bad(), "data/password", secret), kOk);
  ASSERT_EQ(write(bad(), "data/password", secret + "-two"), kOk);
  ASSERT_EQ(write(dom0(), "/keys/1/pw", secret + "-three"), kOk);
  ASSERT_EQ(write(bad(), "name", "no-secret-at-all"), kOk);
  std::uint32_t tx = start(bad());
  ASSERT_EQ(write(bad(), "data/password", secret + "-four", tx), kOk);
  ASSERT_EQ(write(dom0(), "/keys/1/other", "v"), kOk);  // so that it becomes a merge
  ASSERT_EQ(commit(bad(), tx), kOk);
  tx = start(bad());
  ASSERT_EQ(read(bad(), "data/password", tx), secret + "-four");
  ASSERT_EQ(write(bad(), "data/password", secret + "-five", tx), kOk);
  ASSERT_EQ(write(dom0(), home(kBad, "/data/password"), secret + "-six"), kOk);
  ASSERT_EQ(commit(bad(), tx), "!EAGAIN");
  for (int i = 0; i < 1000; ++i) {  // folds
    ASSERT_EQ(write(bad(), "data/password", secret + std::to_string(i)), kOk);
  }
  ASSERT_EQ(write(bad(), "data/password", secret + "-last"), kOk);
  ASSERT_TRUE(history_is_complete());
  EXPECT_FALSE(in_git("hunter2"));
  EXPECT_TRUE(in_git("no-secret-at-all")) << "the search does find what is there";
  const std::string log = vxs("log /local/domain/2/data/password");
  EXPECT_THAT(log, HasSubstr("<redacted>"));
  EXPECT_THAT(log, Not(HasSubstr("hunter2")));

  // It lives in journal and checkpoints: a restart has it.
  ASSERT_EQ(daemon().terminate(), 0);
  daemon().restart();
  reconnect_dom0();
  EXPECT_EQ(read(dom0(), home(kBad, "/data/password")), secret + "-last");

  // Deleted, it is nowhere; and from Git alone it is missing, which the log says.
  ASSERT_EQ(daemon().terminate(), 0);
  std::filesystem::remove_all(daemon().journal_dir());
  daemon().restart();
  reconnect_dom0();
  EXPECT_EQ(read(dom0(), "/keys/1/pw"), "");
  EXPECT_EQ(read(dom0(), "/keys/1/other"), "v");
  EXPECT_THAT(daemon().output(),
              HasSubstr("history does not have the value of /local/domain/2/data/password"));
  ASSERT_EQ(rm(dom0(), "/keys"), kOk);
}

}  // namespace
}  // namespace vxs::abuse
