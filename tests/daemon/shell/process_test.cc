// The parts of becoming a daemon that need no process of their own.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <thread>

#include "daemon/process/directories.hh"
#include "daemon/process/holder.hh"
#include "daemon/process/listen_socket.hh"
#include "daemon/process/signals.hh"
#include "daemon/process/xen_probe.hh"
#include "tests/support/temp_dir.hh"

namespace vxs::process {
namespace {

using ::testing::HasSubstr;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

/// A socket bound to a path by somebody else, as the C daemon would.
Descriptor bound_elsewhere(const std::string& path, int type = SOCK_STREAM) {
  Descriptor fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(path);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  return fd;
}

class Listen : public ::testing::Test {
 protected:
  support::TempDir dir_;
  std::string path_ = dir_.path() + "/socket";
};

TEST_F(Listen, A3_SocketIsPrivateListeningAndNonBlocking) {
  const mode_t before = ::umask(0);
  const auto socket = ListenSocket::open(path_);
  EXPECT_EQ(::umask(before), 0U);  // left as it was
  ASSERT_TRUE(socket.has_value()) << socket.error().text;
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  int listening = 0;
  socklen_t size = sizeof(listening);
  ::getsockopt(socket->fd(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &size);
  EXPECT_EQ(listening, 1);
  EXPECT_NE(::fcntl(socket->fd(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(socket->fd(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(Listen, A3_BacklogTakesAtLeast128WaitingClients) {
  const auto socket = ListenSocket::open(path_);
  ASSERT_TRUE(socket.has_value());
  const sockaddr_un address = address_of(path_);
  std::vector<Descriptor> clients;
  for (int i = 0; i < 129; ++i) {
    clients.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(clients.back().get(), reinterpret_cast<const sockaddr*>(&address),
                        sizeof(address)),
              0)
        << i;
  }
}

TEST_F(Listen, A3_StaleSocketIsReplaced) {
  { const Descriptor stale = bound_elsewhere(path_); }
  EXPECT_TRUE(ListenSocket::open(path_).has_value());
}

TEST_F(Listen, SocketThatAnswersIsLeftAloneAndItsHolderNamed) {
  const Descriptor other = bound_elsewhere(path_);
  ASSERT_EQ(::listen(other.get(), 1), 0);
  const auto socket = ListenSocket::open(path_);
  ASSERT_FALSE(socket.has_value());
  EXPECT_THAT(socket.error().text, HasSubstr("pid " + std::to_string(::getpid()) + " ("));
  EXPECT_EQ(::access(path_.c_str(), F_OK), 0);
}

TEST_F(Listen, SocketWithAFullQueueIsInUseToo) {
  const Descriptor other = bound_elsewhere(path_);
  ASSERT_EQ(::listen(other.get(), 0), 0);
  const sockaddr_un address = address_of(path_);
  std::vector<Descriptor> clients;
  int connected = 0;
  do {
    clients.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    connected = ::connect(clients.back().get(), reinterpret_cast<const sockaddr*>(&address),
                          sizeof(address));
  } while (connected == 0);
  ASSERT_EQ(errno, EAGAIN);
  const auto socket = ListenSocket::open(path_);
  ASSERT_FALSE(socket.has_value());
  EXPECT_THAT(socket.error().text, HasSubstr("in use"));
}

TEST_F(Listen, WhatIsNoStreamSocketIsNotTouched) {
  { std::ofstream(path_) << "precious"; }
  EXPECT_THAT(ListenSocket::open(path_).error().text, HasSubstr("not a socket"));
  EXPECT_EQ(::access(path_.c_str(), F_OK), 0);
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  const Descriptor datagram = bound_elsewhere(path_, SOCK_DGRAM);
  EXPECT_THAT(ListenSocket::open(path_).error().text, HasSubstr("another type"));
  EXPECT_EQ(::access(path_.c_str(), F_OK), 0);
}

TEST_F(Listen, NameThatIsTooLongIsAnError) {
  const auto socket = ListenSocket::open("/" + std::string(120, 'x'));
  ASSERT_FALSE(socket.has_value());
  EXPECT_THAT(socket.error().text, HasSubstr("over 107 bytes"));
}

TEST(MakeDirectory, ModeIsExactWhateverTheUmaskAndExistingOnesStay) {
  const support::TempDir dir;
  const mode_t before = ::umask(0077);
  EXPECT_TRUE(make_directory(dir.path() + "/a/b", 0755).has_value());
  ::umask(before);
  struct stat status {};
  ASSERT_EQ(::stat((dir.path() + "/a/b").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0755U);
  ASSERT_EQ(::stat(dir.path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0700U);
}

TEST(Holder, NamesPidAndCommandLine) {
  const std::string self = describe_process(::getpid());
  EXPECT_THAT(self, HasSubstr("pid " + std::to_string(::getpid()) + " ("));
  EXPECT_THAT(self, HasSubstr("daemon_process_test"));
  EXPECT_THAT(describe_process(0), HasSubstr("another pid namespace"));
  EXPECT_THAT(describe_process(0x3FFFFFFF), HasSubstr("cannot be read"));
}

TEST(Holder, TellsTheLivingFromThoseThatAreEnding) {
  EXPECT_FALSE(is_ending(::getpid()));
  EXPECT_FALSE(is_ending(0x3FFFFFFF));
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  EXPECT_FALSE(is_ending(child));
  ::kill(child, SIGKILL);
  bool ending = false;
  for (int i = 0; i < 500 && !ending; ++i) {
    ending = is_ending(child);
    if (!ending) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(ending);  // a zombie at the latest: nobody has waited for it
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(is_ending(child));
}

TEST(Signals, I9_WritingToAClosedPeerIsAnErrorCode) {
  ::signal(SIGPIPE, SIG_DFL);
  prepare_signals();
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  EXPECT_EQ(::write(ends[1], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  ::close(ends[1]);
}

TEST(Signals, WhatAParentBlockedIsUnblocked) {
  sigset_t term;
  ::sigemptyset(&term);
  ::sigaddset(&term, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &term, nullptr);
  prepare_signals();
  sigset_t now;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &now);
  EXPECT_EQ(::sigismember(&now, SIGTERM), 0);
}

TEST(Signals, ThreadsStartedWhileBlockedTakeNone) {
  int in_thread = 0;
  {
    const SignalsBlocked blocked;
    std::thread([&] {
      sigset_t mask;
      ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
      in_thread = ::sigismember(&mask, SIGHUP) + ::sigismember(&mask, SIGTERM);
    }).join();
  }
  EXPECT_EQ(in_thread, 2);
  sigset_t after;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(::sigismember(&after, SIGHUP), 0);
}

TEST(Signals, DescriptorLimitIsRaisedToTheHardOne) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = 64;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(raise_descriptor_limit(), limit.rlim_max);
  limit.rlim_cur = before;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

class XenProbe : public ::testing::Test {
 protected:
  std::vector<std::string> none_{"/nowhere/evtchn"};
  std::vector<std::string> some_{"/nowhere/evtchn", "/dev/null"};
};

TEST_F(XenProbe, AutoWithoutADeviceIsOneClearLine) {
  const auto found = find_xen(config::XenMode::kAuto, none_);
  EXPECT_FALSE(found.present);
  EXPECT_THAT(found.sentence, HasSubstr("sockets only"));
}

TEST_F(XenProbe, AutoWithADeviceServesGuests) {
  const auto found = find_xen(config::XenMode::kAuto, some_);
  EXPECT_TRUE(found.present);
  EXPECT_THAT(found.sentence, HasSubstr("/dev/null"));
}

TEST_F(XenProbe, OffAndOnDoNotLook) {
  EXPECT_FALSE(find_xen(config::XenMode::kOff, some_).present);
  EXPECT_TRUE(find_xen(config::XenMode::kOn, none_).present);
}

}  // namespace
}  // namespace vxs::process
