// Chapter I on the whole daemon: its forms, signals, files. The shell's own tests are in
// tests/daemon/shell.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "tests/conformance/fixture.hh"
#include "tests/support/daemon_ready.hh"
#include "tests/support/temp_dir.hh"

namespace vxs::conformance {
namespace {

using std::chrono::seconds;

std::string contents(const std::string& file) {
  std::ifstream stream(file);
  return {std::istreambuf_iterator<char>(stream), {}};
}

VxenstoredProcess started(std::vector<std::string> args) {
  return VxenstoredProcess({.args = std::move(args), .parent_dir = "/dev/shm"});
}

TEST(DaemonProcess, I1_QuotaOptionsShowInControlQuota) {
  auto daemon = started({"-E", "11", "-S", "12", "-W", "13", "-t", "14", "-A", "15", "-M", "1600",
                         "-Q", "transaction-nodes=17", "-q", "memory=18"});
  Client client(daemon.socket_path());
  const std::string text = client.control({"quota"});
  for (const char* line :
       {"nodes            :       11", "node-size        :       12", "watches          :       13",
        "transactions     :       14", "node-permissions :       15", "path-max         :     1600",
        "transaction-nodes:       17"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(client.control({"quota-soft"}), HasSubstr("      18"));
}

TEST(DaemonProcess, I1_I10_TraceFileAndTraceControl) {
  const TempDir dir("/dev/shm");
  const std::string file = dir.path() + "/trace";
  auto daemon = started({"-T", file, "--trace-control=-obj"});
  Client client(daemon.socket_path());
  ASSERT_EQ(client.write("/traced", "value"), kOk);
  EXPECT_TRUE(contents(file).starts_with("\n***\n")) << contents(file).substr(0, 20);
  EXPECT_THAT(contents(file), HasSubstr("WRITE (/traced value)"));
  EXPECT_THAT(contents(file), HasSubstr(" OUT "));
  EXPECT_THAT(contents(file), testing::Not(HasSubstr("obj:")));
}

TEST(DaemonProcess, I2_RemovedOptionsWarnAndAreIgnored) {
  auto daemon = started({"-D", "-P", "-R", "-I", "off", "-V"});
  Client client(daemon.socket_path());
  EXPECT_EQ(client.list("/tool"), "xenstored");
  for (int i = 0; i < 500 && daemon.output().find("-P") == std::string::npos; ++i) usleep(10'000);
  EXPECT_THAT(daemon.output(), HasSubstr("-P")) << "the log has a thread of its own";
}

TEST(DaemonProcess, I9_HangupReopensTheTrace) {
  const TempDir dir("/dev/shm");
  const std::string file = dir.path() + "/trace";
  auto daemon = started({"-T", file});
  Client client(daemon.socket_path());
  ASSERT_EQ(rename(file.c_str(), (file + ".1").c_str()), 0);
  daemon.process().signal(SIGHUP);
  for (int i = 0; i < 500 && access(file.c_str(), F_OK) != 0; ++i) usleep(10'000);
  ASSERT_EQ(client.write("/after", "rotation"), kOk);
  EXPECT_THAT(contents(file), HasSubstr("/after rotation"));
  EXPECT_THAT(contents(file + ".1"), testing::Not(HasSubstr("/after rotation")));
}

TEST(DaemonProcess, I9_TermEndsInOrderAndKeepsTheTree) {
  auto daemon = started({});
  {
    Client client(daemon.socket_path());
    ASSERT_EQ(client.write("/kept", "v"), kOk);
  }
  EXPECT_EQ(daemon.terminate(), 0);
  EXPECT_NE(access((daemon.dir() + "/pid").c_str(), F_OK), 0) << "the pid file goes with it";
  daemon.restart();
  EXPECT_EQ(Client(daemon.socket_path()).read("/kept"), "v");
}

TEST(DaemonProcess, I9_AClosedClientIsNoSignal) {
  auto daemon = started({});
  for (int i = 0; i < 20; ++i) {
    Client client(daemon.socket_path());
    std::string reads;
    for (std::uint32_t r = 0; r < 50; ++r) reads += encode({kRead, r, 0, zstrings({"/tool"})});
    client.send_bytes(reads);
  }
  EXPECT_EQ(Client(daemon.socket_path()).list("/tool"), "xenstored");
}

TEST(DaemonProcess, I6_I7_ReadyIsSentWhenReadOfTheRootSucceeds) {
  const TempDir dir("/dev/shm");
  const int receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = dir.path() + "/notify";
  std::memcpy(address.sun_path, path.c_str(), path.size());
  ASSERT_EQ(bind(receiver, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ChildProcess daemon({.argv = {required_env("VXS_BUILD_DIR") + "/daemon/vxenstored", "--no-fork",
                                "--xen", "off", "--pid-file", dir.path() + "/pid"},
                       .env = {{"XENSTORED_RUNDIR", dir.path()}, {"NOTIFY_SOCKET", path}},
                       .unset = {"XENSTORED_PATH"},
                       .output = dir.path() + "/output"});
  const timeval patience{.tv_sec = 30, .tv_usec = 0};
  setsockopt(receiver, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  char text[256];
  const ssize_t length = recv(receiver, text, sizeof text, 0);
  close(receiver);
  ASSERT_GT(length, 0);
  EXPECT_THAT(std::string(text, static_cast<std::size_t>(length)), HasSubstr("READY=1"));
  EXPECT_EQ(Client(dir.path() + "/socket").read("/"), "");
  EXPECT_EQ(contents(dir.path() + "/pid"), std::to_string(daemon.pid()) + "\n");
}

TEST(DaemonProcess, I5_I8_TheDaemonFormIsReadyWhenItsParentExits) {
  const TempDir dir("/dev/shm");
  ChildProcess parent({.argv = {required_env("VXS_BUILD_DIR") + "/daemon/vxenstored", "--xen",
                                "off", "--pid-file", dir.path() + "/pid"},
                       .env = {{"XENSTORED_RUNDIR", dir.path()}},
                       .unset = {"XENSTORED_PATH", "NOTIFY_SOCKET"},
                       .output = dir.path() + "/output"});
  ASSERT_EQ(parent.wait(seconds(30)), 0) << contents(dir.path() + "/output");
  const pid_t pid = std::stoi(contents(dir.path() + "/pid"));
  EXPECT_EQ(Client(dir.path() + "/socket").read("/"), "");
  struct stat found {};
  ASSERT_EQ(stat((dir.path() + "/pid").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0600U);
  EXPECT_NE(getsid(pid), getsid(0)) << "a session of its own";
  ASSERT_EQ(kill(pid, SIGTERM), 0);
  for (int i = 0; i < 3000 && kill(pid, 0) == 0; ++i) usleep(10'000);
  EXPECT_NE(kill(pid, 0), 0);
}

TEST(DaemonProcess, I12_A1_XenstoredPathMovesTheSocket) {
  const TempDir dir("/dev/shm");
  const std::string socket_path = dir.path() + "/elsewhere";
  ChildProcess daemon(
      {.argv = {required_env("VXS_BUILD_DIR") + "/daemon/vxenstored", "--no-fork", "--xen", "off"},
       .env = {{"XENSTORED_RUNDIR", dir.path()}, {"XENSTORED_PATH", socket_path}},
       .unset = {"NOTIFY_SOCKET"},
       .output = dir.path() + "/output"});
  wait_until_answering(daemon, socket_path, dir.path() + "/output", seconds(30));
  EXPECT_NE(access((dir.path() + "/socket").c_str(), F_OK), 0);
}

TEST(DaemonProcess, I12_FilesAreForTheOwnerOnly) {
  auto daemon = started({});
  Client client(daemon.socket_path());
  ASSERT_EQ(client.write("/a", "v"), kOk);
  // History is made by a thread of its own.
  for (int i = 0; i < 1000 && access(daemon.history_dir().c_str(), F_OK) != 0; ++i) usleep(10'000);
  for (const auto& path : {daemon.history_dir(), daemon.journal_dir()}) {
    struct stat found {};
    ASSERT_EQ(stat(path.c_str(), &found), 0) << path;
    EXPECT_EQ(found.st_mode & 077, 0U) << path;
  }
}

}  // namespace
}  // namespace vxs::conformance
