// The vxenstored of this build, with everything it writes in a private place.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/child_process.hh"
#include "tests/support/temp_dir.hh"

namespace vxs::support {

struct VxenstoredOptions {
  std::vector<std::string> args{};           // after the standard ones
  std::map<std::string, std::string> env{};  // besides XENSTORED_RUNDIR
  std::string parent_dir = "/tmp";           // where the private directory is made
  std::chrono::milliseconds start_timeout{30'000};
  // Added in front of the command line: a wrapper such as {"/usr/bin/strace", "-f"}.
  std::vector<std::string> wrapper{};
  // The directory of a fake machine (fake_machine.hh): the daemon runs with
  // `--xen on` and tests/fakexen/libfakexen.so. Empty: `--xen off`.
  std::string machine{};
};

// Runs `$VXS_BUILD_DIR/daemon/vxenstored --no-fork --xen off|on --state-dir
// <dir>/state --journal-dir <dir>/journal --pid-file <dir>/pid` with
// XENSTORED_RUNDIR=<dir>. What it prints is in <dir>/output.
class VxenstoredProcess {
 public:
  // Starts it and waits until READ / answers; throws std::runtime_error with
  // its output if that does not happen, and with what to build if there is no such program.
  explicit VxenstoredProcess(VxenstoredOptions options = {});

  [[nodiscard]] pid_t pid() const { return process_->pid(); }
  [[nodiscard]] ChildProcess& process() { return *process_; }
  [[nodiscard]] const std::string& dir() const { return dir_.path(); }
  [[nodiscard]] std::string socket_path() const { return dir() + "/socket"; }
  [[nodiscard]] std::string state_dir() const { return dir() + "/state"; }
  [[nodiscard]] std::string journal_dir() const { return dir() + "/journal"; }
  [[nodiscard]] std::string history_dir() const { return state_dir() + "/history.git"; }
  [[nodiscard]] std::string output_path() const { return dir() + "/output"; }
  // Everything printed so far.
  [[nodiscard]] std::string output() const;
  [[nodiscard]] VxenstoredOptions& options() { return options_; }

  // SIGKILL, reaped; the directories stay.
  void kill9();

  // Starts it on the same directories, after kill9 or terminate, or kills it
  // first. Throws as the constructor does.
  void restart();

  // SIGTERM; the waitpid status, or nothing (and SIGKILL) after `timeout`.
  std::optional<int> terminate(std::chrono::milliseconds timeout = std::chrono::seconds(30));

 private:
  void start();

  VxenstoredOptions options_;
  TempDir dir_;
  std::optional<ChildProcess> process_;
};

}  // namespace vxs::support
