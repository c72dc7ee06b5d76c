#include "daemon/history/commit_graph.hh"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <thread>

namespace vxs::daemon {
namespace {

constexpr int kLowestPriority = 19;
constexpr int kNoExec = 127;
constexpr std::chrono::milliseconds kStopPatience{100};

// The child between vfork and exec: it shares our memory, so only system calls, nothing written.
[[noreturn]] void become_git(const char* git, char* const* arguments, char* const* environment,
                             pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(kNoExec);  // the parent died before prctl()
  setpriority(PRIO_PROCESS, 0, kLowestPriority);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) _exit(kNoExec);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null, fd);
  close_range(STDERR_FILENO + 1, ~0U, 0);
  signal(SIGPIPE, SIG_DFL);
  execve(git, arguments, environment);
  _exit(kNoExec);
}

// vfork, because fork would copy the page tables of a large store and make every page of the main
// thread fault once.
pid_t spawn(const char* git, char* const* arguments, char* const* environment) {
  const pid_t parent = getpid();
  const pid_t child = vfork();
  if (child == 0) become_git(git, arguments, environment, parent);
  return child;
}

}  // namespace

std::string find_git(const char* path) {
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    const std::string program = std::string(rest.substr(0, end)) + "/git";
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (program.front() == '/' && access(program.c_str(), X_OK) == 0) return program;
  }
  return {};
}

CommitGraph::CommitGraph(std::string repository, std::string git)
    : repository_(std::move(repository)), git_(std::move(git)) {}

void CommitGraph::remove_leftovers() const {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path directory = repository_ + "/objects/info/commit-graphs";
  for (fs::directory_iterator at(directory, ignored), end; at != end; at.increment(ignored)) {
    const std::string name = at->path().filename();
    if (name.ends_with(".lock") || name.starts_with("tmp_")) fs::remove(at->path(), ignored);
  }
}

bool CommitGraph::start() {
  if (git_.empty() || poll() == State::kRunning) return !git_.empty();
  remove_leftovers();
  std::array<std::string, 7> words{
      git_,      "--git-dir=" + repository_, "commit-graph", "write", "--reachable",
      "--split", "--changed-paths"};
  std::array<std::string, 6> variables{"PATH=/usr/bin:/bin",          "LC_ALL=C",
                                       "HOME=/nonexistent",           "GIT_CONFIG_NOSYSTEM=1",
                                       "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0"};
  std::array<char*, words.size() + 1> arguments{};
  std::array<char*, variables.size() + 1> environment{};
  for (std::size_t i = 0; i < words.size(); ++i) arguments[i] = words[i].data();
  for (std::size_t i = 0; i < variables.size(); ++i) environment[i] = variables[i].data();
  child_ = spawn(git_.c_str(), arguments.data(), environment.data());
  return child_ > 0;
}

CommitGraph::State CommitGraph::poll() {
  if (child_ <= 0) return State::kIdle;
  int status = 0;
  const pid_t ended = waitpid(child_, &status, WNOHANG);
  if (ended == 0) return State::kRunning;
  child_ = -1;
  return ended > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? State::kIdle : State::kFailed;
}

void CommitGraph::stop() {
  if (child_ <= 0) return;
  kill(child_, SIGKILL);
  const auto until = std::chrono::steady_clock::now() + kStopPatience;
  while (poll() == State::kRunning && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace vxs::daemon
