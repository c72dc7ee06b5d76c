#include "daemon/supervisor/child.hh"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

// glibc 2.36 forgot that C++ could include it.
extern "C" {
#include <sys/pidfd.h>
}

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "daemon/supervisor/message.hh"
#include "store/crash_point.hh"

namespace vxs::supervisor {
namespace {

constexpr int kCannotRun = 127;

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (auto& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> environment_for(int channel) {
  std::vector<std::string> result;
  std::string ours = kChannelVariable;
  ours.push_back('=');
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (std::string_view(*entry).substr(0, ours.size()) != ours) result.emplace_back(*entry);
  }
  result.push_back(ours + std::to_string(channel));
  return result;
}

void say(const char* text) noexcept { (void)!::write(STDERR_FILENO, text, std::strlen(text)); }

/// Between fork and exec: only what a process with threads may do there.
[[noreturn]] void become(const Binary& binary, char** argv, char** envp, int channel) noexcept {
  VXS_CRASH_POINT("child-forked");
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &action, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  (void)::fcntl(channel, F_SETFD, 0);
  ::fexecve(binary.fd(), argv, envp);
  // A script's interpreter cannot open a descriptor that closes on exec.
  ::execve(binary.path().c_str(), argv, envp);
  const char* reason = ::strerrordesc_np(errno);
  say("vxenstored-supervise: cannot run ");
  say(binary.path().c_str());
  say(": ");
  say(reason ? reason : "unknown error");
  say("\n");
  ::_exit(kCannotRun);
}

std::string read_oom_score_adj() {
  const process::Descriptor file(::open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC));
  char text[32];
  const ssize_t size = file ? ::read(file.get(), text, sizeof(text)) : -1;
  return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : std::string();
}

std::vector<std::pair<unsigned long, unsigned long>> read_limits() {
  std::vector<std::pair<unsigned long, unsigned long>> result;
  for (int resource = 0; resource < static_cast<int>(RLIM_NLIMITS); ++resource) {
    rlimit limit{};
    (void)::getrlimit(static_cast<__rlimit_resource>(resource), &limit);
    result.emplace_back(limit.rlim_cur, limit.rlim_max);
  }
  return result;
}

}  // namespace

process::StartResult<Binary> Binary::open(const std::string& file) {
  const auto try_path = [](const std::string& path) {
    return process::Descriptor(
        ::access(path.c_str(), X_OK) == 0 ? ::open(path.c_str(), O_PATH | O_CLOEXEC) : -1);
  };
  if (file.find('/') != std::string::npos) {
    auto fd = try_path(file);
    if (!fd) return process::start_error("cannot run " + file, errno);
    return Binary(file, std::move(fd));
  }
  const char* variable = std::getenv("PATH");
  std::string_view left = variable ? variable : "/usr/sbin:/usr/bin:/sbin:/bin";
  while (!left.empty()) {
    const auto directory = left.substr(0, left.find(':'));
    left.remove_prefix(std::min(directory.size() + 1, left.size()));
    const std::string path = std::string(directory.empty() ? "." : directory) + "/" + file;
    if (auto fd = try_path(path)) return Binary(path, std::move(fd));
  }
  return process::start_error("cannot find " + file + " in PATH");
}

Binary::Binary(process::Descriptor fd) : fd_(std::move(fd)) {
  char target[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(fd_.get());
  const ssize_t size = ::readlink(link.c_str(), target, sizeof target);
  path_ = size > 0 ? std::string(target, static_cast<std::size_t>(size)) : link;
}

process::StartResult<Child> Child::start(const Binary& binary,
                                         const std::vector<std::string>& arguments, int channel) {
  std::vector<std::string> words = arguments;
  std::vector<std::string> variables = environment_for(channel);
  const auto argv = pointers(words);
  const auto envp = pointers(variables);
  const pid_t pid = ::fork();
  if (pid == 0) {
    become(binary, const_cast<char**>(argv.data()), const_cast<char**>(envp.data()), channel);
  }
  if (pid < 0) return process::start_error("cannot fork", errno);
  process::Descriptor pidfd(::pidfd_open(pid, 0));
  if (pidfd) return Child(pid, std::move(pidfd));
  const int error = errno;
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return process::start_error("cannot watch the daemon", error);
}

process::StartResult<Child> Child::adopt(pid_t pid) {
  process::Descriptor pidfd(::pidfd_open(pid, 0));
  if (!pidfd) return process::start_error("cannot watch process " + std::to_string(pid), errno);
  return Child(pid, std::move(pidfd));
}

void Child::signal(int number) const noexcept {
  if (pidfd_) (void)::pidfd_send_signal(pidfd_.get(), number, nullptr, 0);
}

std::optional<int> Child::reap() {
  int status = 0;
  pid_t got = -1;
  do {
    got = ::waitpid(pid_, &status, 0);
  } while (got < 0 && errno == EINTR);
  const bool ours = got == pid_;
  *this = Child();
  return ours ? std::optional(status) : std::nullopt;
}

InheritedLimits::InheritedLimits() : oom_score_adj_(read_oom_score_adj()), limits_(read_limits()) {}

void InheritedLimits::pass_on(pid_t child) {
  std::string oom_score_adj = read_oom_score_adj();
  if (oom_score_adj != oom_score_adj_) {
    const std::string path = "/proc/" + std::to_string(child) + "/oom_score_adj";
    const process::Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (file) (void)!::write(file.get(), oom_score_adj.data(), oom_score_adj.size());
    oom_score_adj_ = std::move(oom_score_adj);
  }
  auto limits = read_limits();
  for (std::size_t i = 0; i < limits.size(); ++i) {
    if (limits[i] == limits_[i]) continue;
    const rlimit limit{.rlim_cur = limits[i].first, .rlim_max = limits[i].second};
    (void)::prlimit(child, static_cast<__rlimit_resource>(i), &limit, nullptr);
  }
  limits_ = std::move(limits);
}

}  // namespace vxs::supervisor
