#include "tests/daemon/swap/point_at_exec.hh"

#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "tests/crash/kept/crash_points.hh"

namespace vxs::test {
namespace {

constexpr std::chrono::seconds kPatience{30};

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error("a crash point before exec: " + what);
}

bool is_event(int status, int event) { return status >> 16 == event; }

void go_on(pid_t pid, int status) {
  // A stop that is no event is a signal, which it is to get.
  (void)ptrace(PTRACE_CONT, pid, nullptr, status >> 16 != 0 ? 0 : WSTOPSIG(status));
}

}  // namespace

PointAtExec::PointAtExec(pid_t pid, std::string program, std::vector<std::uint64_t> places, Who who)
    : pid_(pid), program_(std::move(program)), places_(std::move(places)), who_(who) {
  const long options = PTRACE_O_TRACEEXEC | (who == Who::kChild ? PTRACE_O_TRACEFORK : 0);
  if (ptrace(PTRACE_SEIZE, pid, nullptr, options) != 0) fail(std::strerror(errno));
}

int PointAtExec::next_stop(pid_t pid) const {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  int status = 0;
  while (waitpid(pid, &status, WNOHANG | __WALL) != pid) {
    if (std::chrono::steady_clock::now() > until) fail("nothing happens");
    usleep(500);
  }
  if (!WIFSTOPPED(status)) fail("the process ended");
  return status;
}

void PointAtExec::await_exec(pid_t pid) const {
  for (;;) {
    const int status = next_stop(pid);
    if (is_event(status, PTRACE_EVENT_EXEC)) return;
    go_on(pid, status);
  }
}

void PointAtExec::await() {
  await_exec(pid_);
  pid_t one = pid_;
  if (who_ == Who::kChild) {
    (void)ptrace(PTRACE_CONT, pid_, nullptr, 0);
    int status = next_stop(pid_);
    while (!is_event(status, PTRACE_EVENT_FORK)) {
      go_on(pid_, status);
      status = next_stop(pid_);
    }
    unsigned long child = 0;
    (void)ptrace(PTRACE_GETEVENTMSG, pid_, nullptr, &child);
    (void)ptrace(PTRACE_DETACH, pid_, nullptr, 0);
    one = static_cast<pid_t>(child);
    await_exec(one);
  }
  const bool set = kept::set_crash_point(one, program_, places_);
  (void)ptrace(PTRACE_DETACH, one, nullptr, 0);
  if (!set) fail("it is another program, or its memory cannot be written");
}

}  // namespace vxs::test
