#pragma once
// Child processes and their scratch directories.

#include <sys/types.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace vxs::bench {

// A directory on /dev/shm (a tmpfs, so that no disk is measured), removed with
// everything in it at the end of its life.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct Command {
  std::vector<std::string> arguments;                            // the first is the program's path
  std::vector<std::pair<std::string, std::string>> environment;  // added to ours
  std::filesystem::path log;                                     // standard output and error
  int death_signal = SIGKILL;                                    // what it gets when we die
};

// A child that dies with its owner, and with this process.
class Process {
 public:
  // Throws BenchError when fork fails; a failed exec shows as an early exit.
  explicit Process(const Command& command);
  // Runs `body` in a forked child instead of a program; its result is the exit code.
  explicit Process(const std::function<int()>& body);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  // True while the child has not exited; reaps it when it has.
  [[nodiscard]] bool running();
  // Sends `signal` and waits until the child has exited; after `patience_ms` it
  // is killed. Does nothing when it has exited already.
  void stop(int signal, int patience_ms);

 private:
  pid_t pid_ = -1;
  bool reaped_ = false;
};

}  // namespace vxs::bench
