// A process that stands still at a crash point: so that another one can be ended just then.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace vxs::test::kept {

// One thread, the one that made it; the process is a child of ours that nobody waits for meanwhile.
class Standstill {
 public:
  enum class Who : std::uint8_t {
    kItself,    // stands still when it comes by
    kNewChild,  // the next child it forks dies of SIGTRAP when it comes by; nobody stands still
  };
  // Throws std::runtime_error if the process cannot be traced.
  Standstill(pid_t pid, std::string program, std::vector<std::uint64_t> places, Who who);
  // It goes on, and does so wherever it comes by.
  ~Standstill();
  Standstill(const Standstill&) = delete;
  Standstill& operator=(const Standstill&) = delete;

  // Does not wait. True once it stands there, or has the child. Throws std::runtime_error if it
  // ended.
  [[nodiscard]] bool reached();

 private:
  void set_in_child();
  void let_go();

  pid_t pid_;
  std::string program_;
  std::vector<std::uint64_t> places_;
  Who who_;
  bool stopped_ = false;
};

}  // namespace vxs::test::kept
