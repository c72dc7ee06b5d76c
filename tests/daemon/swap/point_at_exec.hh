// A crash point for a program that does not run yet: a C daemon becomes it, or it is started then.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace vxs::test {

// One thread, the one that made it.
class PointAtExec {
 public:
  enum class Who : std::uint8_t {
    kItself,  // the process, when it executes `program`
    kChild,   // the first child it forks, when that does
  };
  // Throws std::runtime_error if the process cannot be traced.
  PointAtExec(pid_t pid, std::string program, std::vector<std::uint64_t> places, Who who);
  // Waits until the point is set, before the first instruction of the program; everybody goes on
  // untraced then. Throws std::runtime_error after 30 s, or if it is not that program.
  void await();

 private:
  // Of a stop; the process stands still then.
  int next_stop(pid_t pid) const;
  void await_exec(pid_t pid) const;

  pid_t pid_;
  std::string program_;
  std::vector<std::uint64_t> places_;
  Who who_;
};

}  // namespace vxs::test
