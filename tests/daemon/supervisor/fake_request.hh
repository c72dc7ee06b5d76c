// What clients ask the fake daemon.
#pragma once

#include <cstdint>

namespace vxs::supervisor_test {

enum class Ask : std::uint32_t {
  kPing,         // answers value
  kExit,         // ends with exit status value, no answer
  kDie,          // dies of signal value, no answer
  kFallSilent,   // sends no ALIVE from now on
  kPid,          //
  kDescriptors,  // how many are open
  kSoftLimit,    // of RLIMIT_NOFILE
  kQueueLimit,   // of RLIMIT_MSGQUEUE, soft
  kOomScore,     // oom_score_adj
  kStarts,       // as the supervisor counts them
  kInherited,    // descriptors at the start
  kPrevious,     // wait status of the daemon before
  kSignals,      // how many of SIGHUP, SIGUSR1 and SIGUSR2 came
  kKeep,         // keeps a memfd "extra" that holds value
  kKeepAndDie,   // the same many times, to a supervisor it stops before, and dies; no answer
  kExtra,        // what the inherited "extra" holds; 0: there is none
  kRelease,      // releases "extra"
  kSupervisor,   // its pid
  kDeaths,       // of supervisors it saw
  kPending,      // 1 while something for the supervisor is queued
  kExec,         // names another program, with value seconds for it, and goes on; answers 1 if well
  kExecAhead,    // the same, to be started beside it; answers 1 if well
  kUpdate,  // names itself (1), which takes over at once, or a program that fails (0), and ends
            // to make room for it; no answer
  kWords,   // how many bytes its command line has
  kHangUp,  // ends this connection, as a daemon does; no answer
  kSwap,    // hands over to another program, that sleeps (1), is not there (0), or with an
            // order that cannot be read (2); no answer
};

/// One request, and its answer: same ask, same sequence, the value asked for.
struct Packet {
  Ask ask{};
  std::uint32_t sequence = 0;
  std::uint64_t value = 0;
};
static_assert(sizeof(Packet) == 16);

}  // namespace vxs::supervisor_test
