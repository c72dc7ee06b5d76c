// Daemon form: the foreground parent tells the truth about the daemon.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "daemon/process/descriptor.hh"
#include "tests/daemon/shell/tiny_daemon.hh"

namespace vxs::testing_shell {
namespace {

using ::testing::HasSubstr;

bool connects(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const process::Descriptor fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
}

class DaemonForm : public TinyDaemonTest {
 protected:
  ~DaemonForm() override {
    // The background daemon is nobody's child: end it by its pid file.
    const int pid = background_pid();
    if (pid > 0) {
      ::kill(pid, SIGTERM);
      eventually([&] { return ::kill(pid, 0) != 0; });
    }
  }

  [[nodiscard]] int background_pid() const { return std::atoi(read_text(in("pid")).c_str()); }

  /// "key=value" of the report, which the daemon writes after it said that it is ready.
  std::string reported(const std::string& key) {
    EXPECT_TRUE(
        eventually([&] { return read_text(in("report")).find("end=1") != std::string::npos; }));
    const std::string text = "\n" + read_text(in("report"));
    const std::size_t at = text.find("\n" + key + "=");
    if (at == std::string::npos) return "(none)";
    const std::size_t begin = at + key.size() + 2;
    return text.substr(begin, text.find('\n', begin) - begin);
  }

  std::map<std::string, std::string> with_report() { return {{"TINY_REPORT", in("report")}}; }
};

TEST_F(DaemonForm, I5_ParentExitsWhenSocketAndPidFileAreReady) {
  auto env = with_report();
  env["TINY_SLOW"] = "300";
  const auto before = std::chrono::steady_clock::now();
  support::ChildProcess parent = start({"-F", in("pid")}, env);
  EXPECT_EQ(exit_code(parent), 0) << output();
  // No grace from here on: launch-xenstore reads the file at once.
  const std::string pid = read_text(in("pid"));
  EXPECT_TRUE(connects(in("run/socket")));
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(300));
  EXPECT_EQ(pid, reported("pid") + "\n");
  EXPECT_NE(parent.pid(), std::atoi(pid.c_str()));
}

TEST_F(DaemonForm, I8_DaemonHasASessionRootDirectoryAndNullDescriptors) {
  support::ChildProcess parent = start({"-F", in("pid")}, with_report());
  ASSERT_EQ(exit_code(parent), 0) << output();
  EXPECT_NE(reported("sid"), std::to_string(::getsid(0)));
  EXPECT_NE(reported("sid"), reported("pid"));  // no session leader: no terminal can become its own
  EXPECT_EQ(reported("cwd"), "/");
  EXPECT_EQ(reported("umask"), std::to_string(0077));
  EXPECT_EQ(reported("fd0"), "/dev/null");
  EXPECT_EQ(reported("fd1"), "/dev/null");
  EXPECT_EQ(reported("fd2"), "/dev/null");
}

TEST_F(DaemonForm, I8_PidFileIsPrivateAndGoesWithAnOrderlyEnd) {
  support::ChildProcess parent = start({"-F", in("pid")});
  ASSERT_EQ(exit_code(parent), 0) << output();
  struct stat status {};
  ASSERT_EQ(::stat(in("pid").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  ::kill(background_pid(), SIGTERM);
  EXPECT_TRUE(eventually([&] { return ::access(in("pid").c_str(), F_OK) != 0; }));
}

TEST_F(DaemonForm, I5_ParentPrintsTheDaemonsErrorAndExitsOne) {
  support::ChildProcess parent =
      start({"-F", in("pid")}, {{"TINY_FAIL", "the journal is damaged"}});
  EXPECT_EQ(exit_code(parent), 1);
  EXPECT_EQ(output(), "vxenstored: the journal is damaged\n");
}

TEST_F(DaemonForm, I5_ParentSaysHowTheDaemonDied) {
  support::ChildProcess parent = start({"-F", in("pid")}, {{"TINY_DIE", "9"}});
  EXPECT_EQ(exit_code(parent), 1);
  EXPECT_THAT(output(), HasSubstr("killed by signal 9 while it started"));
}

TEST_F(DaemonForm, I5_SecondInstanceFailsThroughTheParentToo) {
  support::ChildProcess first = start({"-F", in("pid")});
  ASSERT_EQ(exit_code(first), 0) << output();
  support::ChildProcess second = start({"-F", in("pid")}, {}, "second");
  EXPECT_EQ(exit_code(second), 1);
  EXPECT_THAT(read_text(in("second")), HasSubstr("pid " + std::to_string(background_pid())));
}

TEST_F(DaemonForm, ForegroundStaysTheSameProcess) {
  support::ChildProcess daemon = start({"-N", "-F", in("pid")}, with_report());
  EXPECT_EQ(reported("pid"), std::to_string(daemon.pid()));
  EXPECT_EQ(background_pid(), daemon.pid());
  EXPECT_EQ(reported("umask"), std::to_string(0077));
}

/// Receives what the daemon sends to NOTIFY_SOCKET.
class NotifySocket {
 public:
  explicit NotifySocket(const std::string& name)
      : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name.front() == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    const timeval patience{10, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  }

  std::string receive() {
    char buffer[256];
    const ssize_t got = ::recv(socket_.get(), buffer, sizeof(buffer), 0);
    return got < 0 ? "(nothing)" : std::string(buffer, static_cast<std::size_t>(got));
  }

 private:
  process::Descriptor socket_;
};

TEST_F(DaemonForm, I6_ReadyGoesToTheNotifySocketAndTheVariableIsUnset) {
  NotifySocket notify(in("notify"));
  auto env = with_report();
  env["NOTIFY_SOCKET"] = in("notify");
  support::ChildProcess parent = start({"-F", in("pid")}, env);
  EXPECT_EQ(notify.receive(), "READY=1");
  EXPECT_EQ(exit_code(parent), 0);
  EXPECT_EQ(reported("notify"), "unset");
}

TEST_F(DaemonForm, I6_ReadyGoesToAnAbstractNotifySocketToo) {
  const std::string name = "@vxs-shell-test-" + std::to_string(::getpid());
  NotifySocket notify(name);
  auto env = with_report();
  env["NOTIFY_SOCKET"] = name;
  support::ChildProcess daemon = start({"-N"}, env);
  EXPECT_EQ(notify.receive(), "READY=1");
  EXPECT_EQ(reported("notify"), "unset");
}

TEST_F(DaemonForm, I6_DeadNotifySocketDoesNotStopTheDaemon) {
  auto env = with_report();
  env["NOTIFY_SOCKET"] = in("nobody");
  support::ChildProcess daemon = start({"-N"}, env);
  EXPECT_TRUE(eventually([&] { return connects(in("run/socket")); }));
  EXPECT_TRUE(eventually([&] { return output().find("cannot notify") != std::string::npos; }));
}

}  // namespace
}  // namespace vxs::testing_shell
