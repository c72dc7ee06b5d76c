#include "tests/bench/process.hh"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <system_error>
#include <thread>

#include "tests/bench/error.hh"

namespace vxs::bench {

namespace {

constexpr int kExecFailed = 127;

// In the child: our death ends it, and it starts with no signal blocked (main()
// blocks the ones it waits for).
void prepare_child(int death_signal) {
  ::prctl(PR_SET_PDEATHSIG, death_signal);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

pid_t fork_or_throw() {
  const pid_t pid = ::fork();
  if (pid < 0) throw BenchError("fork failed");
  return pid;
}

[[noreturn]] void execute(const Command& command) {
  const int log = ::open(command.log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int null = ::open("/dev/null", O_RDONLY);
  if (log < 0 || null < 0) ::_exit(kExecFailed);
  ::dup2(null, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  // Either would lead a daemon away from its scratch directory.
  for (const char* name : {"XENSTORED_PATH", "NOTIFY_SOCKET"}) ::unsetenv(name);
  for (const auto& [name, value] : command.environment) ::setenv(name.c_str(), value.c_str(), 1);
  std::vector<std::string> arguments = command.arguments;
  std::vector<char*> raw;
  for (std::string& argument : arguments) raw.push_back(argument.data());
  raw.push_back(nullptr);
  ::execv(raw.front(), raw.data());
  ::_exit(kExecFailed);
}

}  // namespace

ScratchDirectory::ScratchDirectory() {
  std::string name = "/dev/shm/vxs-bench-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw BenchError("cannot make a directory on /dev/shm");
  path_ = name;
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Process::Process(const Command& command) : pid_(fork_or_throw()) {
  if (pid_ == 0) {
    prepare_child(command.death_signal);
    execute(command);
  }
}

Process::Process(const std::function<int()>& body) : pid_(fork_or_throw()) {
  if (pid_ == 0) {
    prepare_child(SIGKILL);
    ::_exit(body());
  }
}

Process::~Process() { stop(SIGKILL, 0); }

bool Process::running() {
  if (reaped_) return false;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == pid_) reaped_ = true;
  return !reaped_;
}

void Process::stop(int signal, int patience_ms) {
  if (!running()) return;
  ::kill(pid_, signal);
  const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds(patience_ms);
  while (running() && std::chrono::steady_clock::now() < limit) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (!running()) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  reaped_ = true;
}

}  // namespace vxs::bench
