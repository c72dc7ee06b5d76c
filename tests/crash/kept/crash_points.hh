// The named crash points of a daemon's program (docs/crash-points.md), and how a process ends
// there.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace vxs::test::kept {

// Where each point is in the program's file: it may have been inlined several times. Throws
// std::runtime_error for what is no such file.
using PointPlaces = std::map<std::string, std::vector<std::uint64_t>>;
PointPlaces crash_points_of(const std::string& program);

// Whoever comes by one of `places` in the process from now on ends it with SIGTRAP. False if the
// process is gone or its memory cannot be written.
bool set_crash_point(pid_t pid, const std::string& program,
                     const std::vector<std::uint64_t>& places);
// Undoes it, in a process that stands still.
bool clear_crash_point(pid_t pid, const std::string& program,
                       const std::vector<std::uint64_t>& places);

// One row of docs/crash-points.md.
struct ListedPoint {
  enum class When : std::uint8_t {
    kServing,
    kCheckpoint,
    kStart,
    kRestart,    // the same, not in a live update
    kAhead,      // by a new program that waits for its turn
    kRing,       // serving, with guests
    kRingReset,  // when a ring begins, or a domain ends
    kUpdate,     // the old program of a live update
    kTrial,      // the new one, until it has taken over
    kOutcome,    // it, afterwards
    // Hot swap (tests/daemon/swap).
    kGiveBack,  // the daemon that hands over to a C daemon
    kTakeOver,  // the process that was a C daemon
    // Of the supervisor, while a daemon
    kSupervisorServing,
    kSupervisorStart,    // starts
    kSupervisorUpdate,   // waits for the new program of a live update
    kSupervisorTrial,    // is that new program
    kSupervisorAlone,    // is not there: for the supervisor's own death
    kSupervisorManaged,  // the same, with a service manager
    kSupervisorSwap,     // hands over to a C daemon: for the supervisor's own death
    kChild,              // of a child that is not the daemon yet
  };
  std::string name;
  When when = When::kServing;
  std::string journal;  // "any", "mapped", "disk"
};
// Throws std::runtime_error if the list cannot be read.
std::vector<ListedPoint> listed_crash_points(const std::string& file);

}  // namespace vxs::test::kept
