#include "tests/bench/supervised.hh"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <thread>

#include "tests/bench/error.hh"

namespace vxs::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kStartLimitMs = 120'000;
constexpr int kStopLimitMs = 120'000;

std::string read_all(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

std::string last_after(const std::string& log, std::string_view words, std::string_view end) {
  const auto at = log.rfind(words);
  if (at == std::string::npos) return "?";
  const auto begin = at + words.size();
  const auto line_end = std::min(log.find('\n', begin), log.find(end, begin));
  return log.substr(begin, line_end - begin);
}

Supervised::Supervised(const ServerPaths& paths, bool guests) : paths_(paths), guests_(guests) {
  std::filesystem::create_directories(machine_directory());
  start();
}

Supervised::~Supervised() { end(); }

void Supervised::start() {
  Command command = supervised_command(vxenstored_command(directory_.path(), paths_), paths_);
  if (guests_) {
    std::replace(command.arguments.begin(), command.arguments.end(), std::string("off"),
                 std::string("on"));
    command.environment.emplace_back("FAKEXEN_DIR", machine_directory());
    command.environment.emplace_back("LD_PRELOAD", paths_.fakexen);
  }
  process_ = std::make_unique<Process>(command);
  wait_until_ready(*process_, socket_path(), directory_.path() / "log", kStartLimitMs);
}

void Supervised::end() {
  process_->stop(SIGTERM, kStopLimitMs);
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename().string();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    const bool ours = read_all(entry.path() / "cmdline").find(directory_.path().string() + "/") !=
                      std::string::npos;
    if (ours && std::stol(pid) != ::getpid()) ::kill(static_cast<pid_t>(std::stol(pid)), SIGKILL);
  }
}

void Supervised::start_anew() {
  end();
  start();
}

std::optional<pid_t> Supervised::daemon() const {
  const pid_t pid = daemon_of(process_->pid());
  return pid > 0 ? std::optional(pid) : std::nullopt;
}

pid_t Supervised::wait_for_daemon() const {
  const auto limit = Clock::now() + std::chrono::milliseconds(kStartLimitMs);
  for (;;) {
    if (const auto pid = daemon()) return *pid;
    if (!process_->running()) throw BenchError("the supervisor ended:\n" + log());
    if (Clock::now() > limit) throw BenchError("there is no daemon:\n" + log());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

Clock::time_point Supervised::kill_daemon(int& pidfd) {
  const pid_t pid = wait_for_daemon();
  pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (pidfd < 0) throw BenchError("the daemon cannot be watched");
  const auto now = Clock::now();
  ::syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
  return now;
}

std::string Supervised::log() const { return read_all(directory_.path() / "log"); }

}  // namespace vxs::bench
