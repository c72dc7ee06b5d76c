#include "tests/crash/kept/host.hh"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

#include "tests/support/daemon_ready.hh"

namespace vxs::test::kept {
namespace {

constexpr std::size_t kShownOutput = 4000;

support::VxenstoredOptions process_options(const Options& options, const std::string& machine) {
  support::VxenstoredOptions process;
  process.args = {"--durability", options.durability};
  process.parent_dir = options.journal;
  process.machine = machine;
  if (options.supervised) {
    const std::string program =
        support::required_env("VXS_BUILD_DIR") + "/daemon/vxenstored-supervise";
    support::require_program(program, "ninja vxenstored-supervise");
    // Kills are no reason to wait here.
    process.wrapper = {program, "--backoff-max", "0", "--"};
    if (options.crash_points != 0) {
      process.wrapper.push_back(support::required_env("VXS_BUILD_DIR") +
                                "/tests/crash/crash_runner");
      process.wrapper.push_back(options.control);
    }
    process.args.insert(process.args.end(), {"--connections", options.kept ? "kept" : "volatile"});
  }
  return process;
}

// In the order in which they were started.
std::ifstream children_of(pid_t parent) {
  const std::string pid = std::to_string(parent);
  return std::ifstream("/proc/" + pid + "/task/" + pid + "/children");
}

// Children of a process whose program is vxenstored.
std::optional<pid_t> daemon_below(pid_t parent) {
  std::ifstream children = children_of(parent);
  for (pid_t child = 0; children >> child;) {
    std::error_code error;
    const auto exe =
        std::filesystem::read_symlink("/proc/" + std::to_string(child) + "/exe", error);
    if (!error && exe.filename().string().starts_with("vxenstored") &&
        !exe.filename().string().starts_with("vxenstored-supervise")) {
      return child;
    }
  }
  return std::nullopt;
}

}  // namespace

Pidfd::Pidfd(pid_t pid) : fd_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))), pid_(pid) {}

Pidfd::~Pidfd() {
  if (fd_ >= 0) close(fd_);
}

Pidfd::Pidfd(Pidfd&& other) noexcept : fd_(std::exchange(other.fd_, -1)), pid_(other.pid_) {}

Pidfd& Pidfd::operator=(Pidfd&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(pid_, other.pid_);
  return *this;
}

bool Pidfd::ended() const {
  pollfd end{fd_, POLLIN, 0};
  return poll(&end, 1, 0) == 1;
}

void Pidfd::kill9() const { (void)syscall(SYS_pidfd_send_signal, fd_, SIGKILL, nullptr, 0); }

Host::Host(const Options& options, const std::string& machine)
    : supervised_(options.supervised), process_(process_options(options, machine)) {}

Host::~Host() {
  const Pidfd last = daemon();
  (void)process_.terminate(std::chrono::seconds(10));
  if (last && !last.ended()) last.kill9();
}

Pidfd Host::daemon() const {
  if (!supervised_) return Pidfd(process_.pid());
  const auto pid = daemon_below(process_.pid());
  return pid ? Pidfd(*pid) : Pidfd();
}

Pidfd Host::youngest() const {
  std::ifstream children = children_of(process_.pid());
  pid_t last = -1;
  for (pid_t child = 0; children >> child;) last = child;
  return last > 0 ? Pidfd(last) : Pidfd();
}

std::optional<pid_t> Host::supervisor() const {
  return supervised_ ? std::optional(process_.pid()) : std::nullopt;
}

void Host::check_supervisor() {
  if (supervised_ && !process_.process().running()) {
    throw std::runtime_error("the supervisor ended");
  }
}

std::size_t Host::count_in_output(const std::string& words) const {
  const std::string text = process_.output();
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(words, at)) != std::string::npos; ++at) ++count;
  return count;
}

std::string Host::output() const {
  const std::string text = process_.output();
  return text.size() <= kShownOutput ? text : "…" + text.substr(text.size() - kShownOutput);
}

}  // namespace vxs::test::kept
