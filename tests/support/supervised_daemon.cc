#include "tests/support/supervised_daemon.hh"

#include <signal.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/daemon_ready.hh"

namespace vxs::support {
namespace {

using std::chrono::milliseconds;

constexpr auto kLook = milliseconds(1);
constexpr int kLooks = 5000;

VxenstoredOptions below_supervisor(VxenstoredOptions options, milliseconds backoff_max) {
  const std::string program = required_env("VXS_BUILD_DIR") + "/daemon/vxenstored-supervise";
  require_program(program, "ninja vxenstored-supervise");
  std::vector<std::string> command{program, "--backoff-max", std::to_string(backoff_max.count())};
  command.insert(command.end(), options.wrapper.begin(), options.wrapper.end());
  command.emplace_back("--");
  options.wrapper = std::move(command);
  return options;
}

/// Of /proc: empty if the process has ended meanwhile, where an iterator over the file would throw.
std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Nobody may have waited for it yet.
bool is_dead(pid_t pid) {
  const std::string text = text_of("/proc/" + std::to_string(pid) + "/stat");
  const auto name = text.rfind(')');
  return name == std::string::npos || text.compare(name, 3, ") Z") == 0;
}

}  // namespace

SupervisedDaemon::SupervisedDaemon(VxenstoredOptions options, milliseconds backoff_max)
    : VxenstoredProcess(below_supervisor(std::move(options), backoff_max)) {}

SupervisedDaemon::~SupervisedDaemon() { end(); }

pid_t SupervisedDaemon::daemon() const {
  const std::string supervisor = std::to_string(pid());
  std::ifstream children("/proc/" + supervisor + "/task/" + supervisor + "/children");
  pid_t first = 0;
  children >> first;
  return first;
}

pid_t SupervisedDaemon::strike_daemon() const {
  for (int i = 0; i < kLooks; ++i) {
    if (const pid_t pid = daemon(); pid > 0 && ::kill(pid, SIGKILL) == 0) return pid;
    std::this_thread::sleep_for(kLook);
  }
  throw std::runtime_error("there is no daemon to be killed:\n" + output());
}

void SupervisedDaemon::kill_daemon() const {
  const pid_t pid = strike_daemon();
  while (::kill(pid, 0) == 0) std::this_thread::sleep_for(kLook);
}

void SupervisedDaemon::hold_down() {
  process().signal(SIGSTOP);
  const pid_t daemon = strike_daemon();
  for (int i = 0; i < kLooks && !is_dead(daemon); ++i) std::this_thread::sleep_for(kLook);
  if (!is_dead(daemon)) throw std::runtime_error("the daemon does not die");
}

void SupervisedDaemon::go_on() { process().signal(SIGCONT); }

void SupervisedDaemon::end(milliseconds patience) {
  go_on();
  if (terminate(patience)) return;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (text_of(entry.path() / "cmdline").find(dir() + "/") != std::string::npos) {
      (void)::kill(static_cast<pid_t>(std::stol(name)), SIGKILL);
    }
  }
}

}  // namespace vxs::support
