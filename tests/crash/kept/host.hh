// The daemon of this build under its supervisor, or alone.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "tests/crash/kept/options.hh"
#include "tests/support/vxenstored_process.hh"

namespace vxs::test::kept {

// A process that is no child of ours, by a descriptor (pidfd): no other of the same pid is meant.
class Pidfd {
 public:
  Pidfd() = default;
  // Nothing if there is no such process any more.
  explicit Pidfd(pid_t pid);
  ~Pidfd();
  Pidfd(Pidfd&& other) noexcept;
  Pidfd& operator=(Pidfd&& other) noexcept;

  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }
  // Readable once it ended.
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool ended() const;
  void kill9() const;

 private:
  int fd_ = -1;
  pid_t pid_ = -1;
};

class Host {
 public:
  // Starts all and waits until it answers; `machine` is the directory of a fake machine, or "".
  // Throws std::runtime_error.
  Host(const Options& options, const std::string& machine);
  // An orderly end; kill -9 for what is left.
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  [[nodiscard]] std::string socket_path() const { return process_.socket_path(); }
  // The daemon that runs now; none while there is none.
  [[nodiscard]] Pidfd daemon() const;
  [[nodiscard]] std::optional<pid_t> supervisor() const;
  // The child that the supervisor started last, whatever its program is by now.
  [[nodiscard]] Pidfd youngest() const;
  // Unsupervised: after the daemon ended, starts it again and waits until it answers.
  void restart() { process_.restart(); }
  // Throws std::runtime_error if the supervisor ended.
  void check_supervisor();
  // How often they printed that.
  [[nodiscard]] std::size_t count_in_output(const std::string& words) const;
  // The end of what both printed.
  [[nodiscard]] std::string output() const;

 private:
  bool supervised_;
  support::VxenstoredProcess process_;
};

}  // namespace vxs::test::kept
