#include "tests/daemon/supervisor/supervised.hh"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "daemon/process/signals.hh"
#include "tests/crash/kept/crash_points.hh"

namespace vxs::supervisor_test {
namespace {

using std::chrono::steady_clock;

std::string env(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) throw std::runtime_error(std::string(name) + " is not set");
  return value;
}

std::string build_dir() { return env("VXS_BUILD_DIR"); }

std::string supervisor_program() { return build_dir() + "/daemon/vxenstored-supervise"; }

std::string contents(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> result;
  const std::string process = "/proc/" + std::to_string(pid) + "/task";
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator(process, error)) {
    std::istringstream pids(contents(task.path().string() + "/children"));
    for (pid_t child = 0; pids >> child;) result.push_back(child);
  }
  return result;
}

/// Between fork and exec; the test has no other thread then that could hold a lock.
[[noreturn]] void become(const Launch& launch, std::vector<std::string> words,
                         const std::string& output) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int out = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  ::close(out);
  // First out of the way, then to their places.
  std::vector<int> moved;
  std::string names;
  for (const auto& [name, fd] : launch.passed) {
    moved.push_back(::fcntl(fd, F_DUPFD_CLOEXEC, 500));
    names += (names.empty() ? "" : ":") + name;
  }
  int place = 3;
  for (const int fd : moved) ::dup2(fd, place++);
  if (!moved.empty()) {
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", std::to_string(moved.size()).c_str(), 1);
    ::setenv("LISTEN_FDNAMES", names.c_str(), 1);
  }
  for (const auto& [name, value] : launch.env) ::setenv(name.c_str(), value.c_str(), 1);
  if (launch.descriptors) {
    const rlimit limit{*launch.descriptors, *launch.descriptors};
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  ::_exit(126);
}

}  // namespace

bool eventually(const std::function<bool()>& condition, milliseconds patience) {
  const auto until = steady_clock::now() + patience;
  while (!condition()) {
    if (steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

// --- Supervised --------------------------------------------------------------

Supervised::Supervised(Launch launch) {
  // What a killed supervisor leaves behind is ours to end then.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  (void)process::raise_descriptor_limit();  // for many clients
  start(launch);
}

void Supervised::start(const Launch& launch) {
  std::vector<std::string> words{supervisor_program()};
  words.insert(words.end(), launch.options.begin(), launch.options.end());
  words.emplace_back("--");
  if (launch.command.empty()) {
    words.push_back(build_dir() + "/tests/daemon/supervisor/fake_daemon");
    words.push_back(socket());
  }
  words.insert(words.end(), launch.command.begin(), launch.command.end());
  Launch with_defaults = launch;
  with_defaults.env.emplace("FAKE_TEST", std::to_string(::getpid()));
  with_defaults.env.emplace("FAKE_STARTS", dir() + "/starts");
  with_defaults.env.emplace("FAKE_FAIL", dir() + "/fail");
  status_.reset();
  pid_ = ::fork();
  if (pid_ == 0) become(with_defaults, words, dir() + "/output");
}

void Supervised::start_again(Launch launch) {
  kill_all();
  start(launch);
}

Supervised::~Supervised() { kill_all(); }

void Supervised::kill_all() {
  // The supervisor first, or it would start another daemon. Daemons that lost their supervisor are
  // our children, and so are then the supervisors that they started. This process starts nothing
  // else.
  for (int round = 0; round < 1000; ++round) {
    if (pid_ > 0 && !status_) ::kill(pid_, SIGKILL);
    const auto orphans = children_of(::getpid());
    if (orphans.empty()) return;
    for (const pid_t pid : orphans) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
      if (pid == pid_) status_ = SIGKILL;
    }
  }
}

pid_t Supervised::daemon() const {
  const auto children = children_of(pid_);
  return children.empty() ? 0 : children.front();
}

std::string Supervised::output() const { return contents(dir() + "/output"); }

void Supervised::fail_with(std::optional<int> number) const {
  const std::string file = dir() + "/fail";
  if (!number) {
    std::filesystem::remove(file);
    return;
  }
  std::ofstream(file + ".new") << *number << "\n";
  std::filesystem::rename(file + ".new", file);
}

std::size_t Supervised::starts() const { return contents(dir() + "/starts").size() / 2; }

void Supervised::signal(int number) const {
  if (pid_ > 0 && !status_) ::kill(pid_, number);
}

bool Supervised::die_at(const std::string& point) const {
  using namespace test::kept;
  const std::string program = supervisor_program();
  return set_crash_point(pid_, program, crash_points_of(program).at(point));
}

std::vector<std::string> points_of_supervisor(bool serving) {
  using test::kept::ListedPoint;
  std::vector<std::string> names;
  for (const auto& point :
       test::kept::listed_crash_points(env("VXS_SOURCE_DIR") + "/docs/crash-points.md")) {
    const bool theirs = point.when >= ListedPoint::When::kSupervisorServing &&
                        point.when != ListedPoint::When::kChild &&
                        point.when != ListedPoint::When::kSupervisorSwap;
    if (theirs && (point.when == ListedPoint::When::kSupervisorServing) == serving) {
      names.push_back(point.name);
    }
  }
  return names;
}

std::optional<int> Supervised::wait(milliseconds patience) {
  eventually(
      [this] {
        int status = 0;
        if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
        return status_.has_value();
      },
      patience);
  return status_;
}

std::size_t descriptors_of(pid_t pid) {
  std::error_code error;
  return static_cast<std::size_t>(std::distance(
      std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd", error), {}));
}

// --- Client ------------------------------------------------------------------

Client::Client(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  const bool connected = eventually([&] {
    fd_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  });
  if (!connected) throw std::runtime_error("nobody listens at " + path);
  const timeval patience{.tv_sec = kPatience.count() / 1000, .tv_usec = 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

bool Client::send(Ask ask, std::uint64_t value) {
  const Packet packet{ask, ++sequence_, value};
  return ::send(fd_.get(), &packet, sizeof(packet), MSG_NOSIGNAL) == sizeof(packet);
}

std::optional<std::uint64_t> Client::ask(Ask ask, std::uint64_t value) {
  if (!send(ask, value)) return std::nullopt;
  for (;;) {
    Packet packet;
    if (::recv(fd_.get(), &packet, sizeof(packet), MSG_WAITALL) != sizeof(packet)) {
      return std::nullopt;
    }
    if (packet.sequence == sequence_) return packet.value;
    if (packet.sequence > sequence_) return std::nullopt;  // an answer to nothing
  }
}

bool Client::closed() const {
  pollfd watched{fd_.get(), POLLIN, 0};
  char byte = 0;
  return ::poll(&watched, 1, static_cast<int>(kPatience.count())) > 0 &&
         ::recv(fd_.get(), &byte, 1, MSG_DONTWAIT) <= 0;
}

// --- FakeSystemd -------------------------------------------------------------

FakeSystemd::FakeSystemd()
    : address_("@vxs-test-" + std::to_string(::getpid()) + "-" +
               std::to_string(steady_clock::now().time_since_epoch().count())),
      socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path + 1, address_.data() + 1, address_.size() - 1);
  if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&un),
             static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size())) != 0) {
    throw std::runtime_error("cannot bind the fake systemd's socket");
  }
}

std::size_t FakeSystemd::read(std::size_t max) {
  for (std::size_t count = 0; count < max; ++count) {
    std::array<char, 1024> text;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control;
    iovec part{text.data(), text.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
    if (got < 0) return count;
    int fd = -1;
    if (const cmsghdr* rights = CMSG_FIRSTHDR(&message)) {
      std::memcpy(&fd, CMSG_DATA(rights), sizeof(fd));
    }
    handle(std::string(text.data(), static_cast<std::size_t>(got)), process::Descriptor(fd));
  }
  return max;
}

void FakeSystemd::handle(const std::string& text, process::Descriptor fd) {
  std::map<std::string, std::string> fields;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto equals = line.find('=');
    fields[line.substr(0, equals)] = line.substr(equals + 1);
  }
  const auto& name = fields["FDNAME"];
  if (fields["FDSTORE"] == "1") {
    if (fields["FDPOLL"] != "0") ++polled;
    if (!store.emplace(name, std::move(fd)).second) ++collisions;
  } else if (fields["FDSTOREREMOVE"] == "1") {
    if (store.erase(name) == 0) ++unknown;
  } else {
    states.push_back(text);
  }
}

std::map<std::string, int> FakeSystemd::passed() const {
  std::map<std::string, int> result;
  for (const auto& [name, fd] : store) result[name] = fd.get();
  return result;
}

}  // namespace vxs::supervisor_test
