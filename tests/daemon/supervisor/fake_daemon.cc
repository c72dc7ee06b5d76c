// A daemon of a few requests for the supervisor's tests, and the example of Keeper's use.
//
//   fake_daemon SOCKET [WORDS THAT MEAN NOTHING]
//
// A request is taken out of the socket after its answer was put in, so that a kill between the two
// shows as a second answer and never as none. Environment: FAKE_STARTS=<file> gets a line at each
// start; FAKE_FAIL=<file>: while that file is there, every start dies before it is ready: by exit
// with the number in it, or by signal if it is negative; FAKE_SLOW=<ms> waits before it is ready.
// FAKE_TEST=<pid>: ends when that process has.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "daemon/keeper/keeper.hh"
#include "tests/daemon/supervisor/fake_request.hh"

namespace vxs::supervisor_test {
namespace {

using daemon::EventLoop;
using daemon::Interest;
using process::Descriptor;

process::Descriptor listen_at(const std::string& path) {
  Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  ::unlink(path.c_str());
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(fd.get(), 1024) != 0) {
    std::perror("fake_daemon: listen");
    std::exit(EXIT_FAILURE);
  }
  return fd;
}

class FakeDaemon {
 public:
  FakeDaemon(std::unique_ptr<keeper::Keeper> keeper, keeper::Inheritance inheritance,
             const std::string& path)
      : keeper_(std::move(keeper)),
        starts_(inheritance.starts),
        previous_(inheritance.previous_status),
        inherited_(inheritance.descriptors.size()) {
    if (inheritance.update == keeper::UpdateRole::kTrial && !keeper_->taken_over()) std::exit(1);
    for (auto& [name, fd] : inheritance.descriptors) {
      if (name == "listen") {
        listener_ = std::move(fd);
      } else if (name == "extra") {
        extra_ = std::move(fd);
      } else {
        add(name, std::move(fd));
      }
    }
    if (!listener_) {
      listener_ = listen_at(path);
      keeper_->keep("listen", listener_.get());
    }
  }

  int run() {
    for (const int number : {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2}) {
      signals_.push_back(loop_.signal(number, [this, number] {
        number == SIGTERM ? void(stopping_ = true) : void(++signal_count_);
      }));
      signals_.back().enable();
    }
    keeper_->start(
        loop_, {.accepted = [this](std::string name, Descriptor fd) { add(name, std::move(fd)); },
                .died = [this](bool) { ++deaths_; },
                .replaced = {}});
    keeper_->ready();
    Interest timer;
    timer = loop_.timer([this, &timer] {
      look_around();
      timer.enable_after(20'000);
    });
    timer.enable_after(0);
    while (!stopping_) {
      loop_.run_once(false);
      gone_.clear();
    }
    keeper_->stopping();
    return 0;
  }

 private:
  struct Client {
    Descriptor fd;
    Interest read;
  };

  void add(const std::string& name, Descriptor fd) {
    auto& client = clients_[name];
    client = std::make_unique<Client>();
    client->fd = std::move(fd);
    client->read = loop_.readable(client->fd.get(), [this, name] { serve(name); });
    client->read.enable();
  }

  void end(const std::string& name) {
    auto client = std::move(clients_[name]);
    clients_.erase(name);
    ::shutdown(client->fd.get(), SHUT_RDWR);
    keeper_->release(name);
    client->read.disable();
    gone_.push_back(std::move(client));  // its callback is still running
  }

  void serve(const std::string& name) {
    const int fd = clients_.at(name)->fd.get();
    Packet packet;
    const ssize_t got = ::recv(fd, &packet, sizeof(packet), MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return end(name);
    if (got < static_cast<ssize_t>(sizeof(packet))) return;
    const bool is_last = packet.ask == Ask::kExit || packet.ask == Ask::kDie ||
                         packet.ask == Ask::kKeepAndDie || packet.ask == Ask::kHangUp ||
                         packet.ask == Ask::kSwap || packet.ask == Ask::kUpdate;
    if (is_last) {
      (void)!::recv(fd, &packet, sizeof(packet), MSG_DONTWAIT);
      return carry_out_last(name, packet);
    }
    packet.value = answer(packet);
    (void)!::send(fd, &packet, sizeof(packet), MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)!::recv(fd, &packet, sizeof(packet), MSG_DONTWAIT);
  }

  void carry_out_last(const std::string& name, const Packet& packet) {
    if (packet.ask == Ask::kHangUp) return end(name);
    if (packet.ask == Ask::kSwap) {
      const bool swapped =
          keeper_->hold() && keeper_->hand_over({.file = packet.value == 1   ? "/bin/sleep"
                                                         : packet.value == 2 ? "no path"
                                                                             : "/nonexistent",
                                                 .arguments = {"sleep", "60"}});
      ::_exit(swapped ? 0 : 1);
    }
    if (packet.ask == Ask::kUpdate) {
      const char* const file = packet.value == 1 ? "/proc/self/exe" : "/bin/false";
      Descriptor program(::open(file, O_PATH | O_CLOEXEC));
      ::_exit(
          keeper_->exec(std::move(program), keeper::Keeper::own_words(), std::chrono::seconds(30))
              ? 75
              : 1);
    }
    if (packet.ask == Ask::kExit) ::_exit(static_cast<int>(packet.value));
    if (packet.ask == Ask::kDie) ::raise(static_cast<int>(packet.value));
    // By then something of the supervisor's lies unread in the socket.
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    ::kill(keeper_->supervisor_pid(), SIGSTOP);
    for (int i = 249; i >= 0; --i) keep_extra(packet.value + static_cast<std::uint64_t>(i));
    ::raise(SIGKILL);
  }

  void keep_extra(std::uint64_t value) {
    Descriptor fd(::memfd_create("extra", MFD_CLOEXEC));
    (void)!::pwrite(fd.get(), &value, sizeof(value), 0);
    keeper_->keep("extra", fd.get());
    extra_ = std::move(fd);
  }

  std::uint64_t answer(const Packet& packet) {
    rlimit limit{};
    std::uint64_t value = 0;
    switch (packet.ask) {
      case Ask::kFallSilent:
        silent_ = true;
        return 0;
      case Ask::kPid:
        return static_cast<std::uint64_t>(::getpid());
      case Ask::kDescriptors:
        return static_cast<std::uint64_t>(
            std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
      case Ask::kSoftLimit:
        ::getrlimit(RLIMIT_NOFILE, &limit);
        return limit.rlim_cur;
      case Ask::kQueueLimit:
        ::getrlimit(RLIMIT_MSGQUEUE, &limit);
        return limit.rlim_cur;
      case Ask::kOomScore:
        std::ifstream("/proc/self/oom_score_adj") >> value;
        return value;
      case Ask::kStarts:
        return starts_;
      case Ask::kInherited:
        return inherited_;
      case Ask::kPrevious:
        return static_cast<std::uint64_t>(previous_);
      case Ask::kSignals:
        return signal_count_;
      case Ask::kKeep:
        keep_extra(packet.value);
        return 0;
      case Ask::kExtra:
        if (extra_) (void)!::pread(extra_.get(), &value, sizeof(value), 0);
        return value;
      case Ask::kRelease:
        keeper_->release("extra");
        extra_.reset();
        return 0;
      case Ask::kSupervisor:
        return static_cast<std::uint64_t>(keeper_->supervisor_pid());
      case Ask::kPending:
        return keeper_->has_pending() ? 1 : 0;
      case Ask::kDeaths:
        return deaths_;
      case Ask::kExec: {
        Descriptor program(::open("/bin/false", O_PATH | O_CLOEXEC));
        return keeper_->exec(std::move(program), {"false"}, std::chrono::seconds(packet.value));
      }
      case Ask::kExecAhead: {
        Descriptor program(::open("/bin/false", O_PATH | O_CLOEXEC));
        return keeper_->exec_ahead(std::move(program), {"false"});
      }
      case Ask::kWords:
        for (const auto& word : keeper::Keeper::own_words()) value += word.size();
        return value;
      default:
        return packet.value;
    }
  }

  void look_around() {
    if (!silent_) keeper_->alive();
    const char* test = std::getenv("FAKE_TEST");
    if (test && ::kill(std::atoi(test), 0) != 0) stopping_ = true;
  }

  EventLoop loop_;
  std::unique_ptr<keeper::Keeper> keeper_;
  std::uint64_t starts_;
  int previous_;
  std::uint64_t inherited_;
  Descriptor listener_;
  Descriptor extra_;
  std::map<std::string, std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<Client>> gone_;
  std::vector<Interest> signals_;
  std::uint64_t signal_count_ = 0;
  std::uint64_t deaths_ = 0;
  bool silent_ = false;
  bool stopping_ = false;
};

void misbehave_as_told() {
  if (const char* file = std::getenv("FAKE_STARTS")) std::ofstream(file, std::ios::app) << "s\n";
  int number = 0;
  const char* fail = std::getenv("FAKE_FAIL");
  if (fail && std::ifstream(fail) >> number) {
    if (number < 0) ::raise(-number);
    ::_exit(number);
  }
  if (const char* milliseconds = std::getenv("FAKE_SLOW")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(std::atoi(milliseconds)));
  }
}

int run(const char* path) {
  keeper::Inheritance inheritance;
  auto keeper = keeper::Keeper::adopt(inheritance);
  if (!keeper || !*keeper) {
    std::fprintf(stderr, "fake_daemon: %s\n",
                 keeper ? "there is no supervisor" : keeper.error().text.c_str());
    return EXIT_FAILURE;
  }
  misbehave_as_told();
  return FakeDaemon(std::move(*keeper), std::move(inheritance), path).run();
}

}  // namespace
}  // namespace vxs::supervisor_test

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  return vxs::supervisor_test::run(argv[1]);
}
