// A program under test: started, watched, killed.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vxs::support {

struct Command {
  std::vector<std::string> argv;           // argv[0] is the path of the program
  std::map<std::string, std::string> env;  // replaces or adds to the caller's environment
  std::vector<std::string> unset;          // variables the program must not see
  std::string output;                      // file for stdout and stderr; empty: inherited
};

// Owns one child. The child is killed in the destructor, and by the kernel
// when the thread that started it dies.
class ChildProcess {
 public:
  // Throws std::runtime_error if fork fails; a failed exec shows as exit 127.
  explicit ChildProcess(const Command& command);
  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;

  [[nodiscard]] pid_t pid() const { return pid_; }

  // Whether it still runs. Reaps it if not.
  [[nodiscard]] bool running();

  void signal(int number) const;

  // Waits for the end; nothing when it still runs at the deadline. The value
  // is what waitpid reports (WIFEXITED and so on), also on later calls.
  std::optional<int> wait(std::chrono::milliseconds timeout);

  // SIGKILL, and reaps it.
  void kill9();

 private:
  pid_t pid_ = -1;
  std::optional<int> status_;
};

}  // namespace vxs::support
