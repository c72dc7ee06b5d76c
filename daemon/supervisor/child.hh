// The supervised process.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "daemon/process/descriptor.hh"
#include "daemon/process/start_error.hh"

namespace vxs::supervisor {

/// The binary of a command, held open: a restart runs the one that ran before, even if a package
/// was upgraded meanwhile.
class Binary {
 public:
  /// `file` is looked up in PATH if it has no slash. Errors: not found.
  [[nodiscard]] static process::StartResult<Binary> open(const std::string& file);
  /// Of a descriptor that somebody else opened.
  explicit Binary(process::Descriptor fd);
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  Binary(std::string path, process::Descriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::string path_;
  process::Descriptor fd_;
};

/// One process, by a descriptor of its own (pidfd), so that no other of the same pid is ever meant.
/// Not ended with this object.
class Child {
 public:
  Child() = default;

  /// Starts the binary with these arguments, no signal blocked and none ignored. It inherits what
  /// this process has (limits, oom_score_adj, environment) and `channel`, the only descriptor that
  /// is handed through; the environment names it. A binary that cannot be run shows as exit status
  /// 127, with a line on standard error. Errors: fork.
  [[nodiscard]] static process::StartResult<Child> start(const Binary& binary,
                                                         const std::vector<std::string>& arguments,
                                                         int channel);
  /// A running process that somebody else started. Errors: there is none.
  [[nodiscard]] static process::StartResult<Child> adopt(pid_t pid);

  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(pidfd_); }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// Readable when the process has ended.
  [[nodiscard]] int fd() const noexcept { return pidfd_.get(); }
  void signal(int number) const noexcept;

  /// After fd() became readable: the wait status; this object is none then. Nothing for an adopted
  /// one: only its parent is told how it ended.
  [[nodiscard]] std::optional<int> reap();

 private:
  Child(pid_t pid, process::Descriptor pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  pid_t pid_ = -1;
  process::Descriptor pidfd_;
};

/// Gives a running child the limits (all of setrlimit) and the oom_score_adj that were changed for
/// this process after the child was forked: what launch-xenstore (conformance I5) and
/// operators change by the pid they know is ours.
class InheritedLimits {
 public:
  InheritedLimits();
  /// Passes on what changed since the last call. What is not permitted is left.
  void pass_on(pid_t child);

 private:
  std::string oom_score_adj_;
  std::vector<std::pair<unsigned long, unsigned long>> limits_;
};

}  // namespace vxs::supervisor
