// crash_runner CONTROL PROGRAM ARGUMENTS...: becomes the program, as a supervisor's child should.
// If the file CONTROL is there and names a crash point, the program gets it before its first
// instruction, and the file is gone. It has vxenstored's note and leaves out a first -N, so that it
// is a program a daemon can be updated to, too.
//
// Who sets it is a process of its own: it traces this one until exec, and lets go.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>
#include <string_view>

#include "tests/crash/kept/crash_points.hh"

namespace {

using vxs::test::kept::crash_points_of;
using vxs::test::kept::set_crash_point;

// The point, once.
std::string take_point(const std::string& control) {
  std::ifstream file(control);
  std::string name;
  file >> name;
  if (!name.empty()) (void)unlink(control.c_str());
  return name;
}

// In the process that traces: `ready` is written to when the other may go on.
int set_at_exec(pid_t runner, const std::string& program, const std::string& name, int ready) {
  const auto points = crash_points_of(program);
  const auto found = points.find(name);
  if (found == points.end()) {
    (void)std::fprintf(stderr, "crash_runner: no point is called %s\n", name.c_str());
    return 1;
  }
  if (ptrace(PTRACE_SEIZE, runner, nullptr, PTRACE_O_TRACEEXEC) != 0) {
    std::perror("crash_runner: ptrace");
    return 1;
  }
  if (write(ready, "g", 1) != 1) return 1;
  for (int status = 0; waitpid(runner, &status, __WALL) == runner && WIFSTOPPED(status);) {
    if (status >> 8 == (SIGTRAP | (PTRACE_EVENT_EXEC << 8))) {
      const bool set = set_crash_point(runner, program, found->second);
      if (!set) (void)std::fprintf(stderr, "crash_runner: %s cannot be set\n", name.c_str());
      (void)ptrace(PTRACE_DETACH, runner, nullptr, nullptr);
      return set ? 0 : 1;
    }
    (void)ptrace(PTRACE_CONT, runner, nullptr, WSTOPSIG(status));
  }
  return 1;
}

// Returns when the tracer is there, or is not to be.
void be_traced(const std::string& program, const std::string& name) {
  int pair[2];
  if (pipe2(pair, O_CLOEXEC) != 0) return;
  const pid_t runner = getpid();
  (void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
  const pid_t child = fork();
  if (child == 0) {
    // Not the daemon's child: it would have one that it never started.
    if (fork() != 0) _exit(0);
    // Nothing of the supervisor's is kept open here.
    for (int fd = 3; fd < 1024; ++fd) {
      if (fd != pair[1]) (void)close(fd);
    }
    int code = 1;
    try {
      code = set_at_exec(runner, program, name, pair[1]);
    } catch (const std::exception& error) {
      (void)std::fprintf(stderr, "crash_runner: %s\n", error.what());
    }
    _exit(code);
  }
  close(pair[1]);
  (void)waitpid(child, nullptr, 0);
  char byte = 0;
  (void)!read(pair[0], &byte, 1);
  close(pair[0]);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "-N") {
    --argc;
    ++argv;
  }
  if (argc < 3) {
    (void)std::fprintf(stderr, "usage: crash_runner CONTROL PROGRAM ARGUMENTS...\n");
    return 2;
  }
  const std::string point = take_point(argv[1]);
  if (!point.empty()) be_traced(argv[2], point);
  execv(argv[2], argv + 2);
  std::perror("crash_runner: exec");
  return 127;
}
