#include "tests/crash/kept/standstill.hh"

#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "tests/crash/kept/crash_points.hh"

namespace vxs::test::kept {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error("a process is to stand still: " + what);
}

}  // namespace

Standstill::Standstill(pid_t pid, std::string program, std::vector<std::uint64_t> places, Who who)
    : pid_(pid), program_(std::move(program)), places_(std::move(places)), who_(who) {
  const long options = who == Who::kNewChild ? PTRACE_O_TRACEFORK : 0;
  if (ptrace(PTRACE_SEIZE, pid, nullptr, options) != 0) fail(std::strerror(errno));
  if (who == Who::kItself && !set_crash_point(pid, program_, places_)) {
    let_go();
    fail("its memory cannot be written");
  }
}

Standstill::~Standstill() { let_go(); }

bool Standstill::reached() {
  if (stopped_) return true;
  for (int status = 0; waitpid(pid_, &status, WNOHANG | __WALL) == pid_;) {
    if (!WIFSTOPPED(status)) fail("it ended");
    const int event = status >> 16;
    if (event == PTRACE_EVENT_FORK) {
      set_in_child();
      return stopped_ = true;
    }
    if (event == 0 && WSTOPSIG(status) == SIGTRAP) return stopped_ = true;
    (void)ptrace(PTRACE_CONT, pid_, nullptr, event != 0 ? 0 : WSTOPSIG(status));
  }
  return false;
}

void Standstill::set_in_child() {
  unsigned long message = 0;
  (void)ptrace(PTRACE_GETEVENTMSG, pid_, nullptr, &message);
  const auto child = static_cast<pid_t>(message);
  int status = 0;
  if (waitpid(child, &status, __WALL) != child || !WIFSTOPPED(status)) fail("its child ended");
  const bool set = set_crash_point(child, program_, places_);
  (void)ptrace(PTRACE_DETACH, child, nullptr, nullptr);
  if (!set) fail("its child's memory cannot be written");
}

void Standstill::let_go() {
  int status = 0;
  if (!stopped_) {
    if (ptrace(PTRACE_INTERRUPT, pid_, nullptr, nullptr) != 0) return;  // it is gone
    if (waitpid(pid_, &status, __WALL) != pid_ || !WIFSTOPPED(status)) return;
  }
  if (who_ == Who::kItself) (void)clear_crash_point(pid_, program_, places_);
  const bool signal = !stopped_ && status >> 16 == 0 && WSTOPSIG(status) != SIGTRAP;
  (void)ptrace(PTRACE_DETACH, pid_, nullptr, signal ? WSTOPSIG(status) : 0);
}

}  // namespace vxs::test::kept
