// The command line of kept_soak.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace vxs::test::kept {

struct Options {
  std::uint64_t kills = 100;  // 0: load without kills, for `seconds`
  std::uint64_t seconds = 0;  // 0: until all kills are done
  std::size_t clients = 32;
  std::size_t guests = 0;  // on a fake machine
  std::uint64_t seed = 0;  // 0: another one each time
  std::string durability = "process";
  std::string journal = "/dev/shm";  // state and journal lie below it: mapped there, else pwrite
  bool kept = true;                  // --connections
  bool supervised = true;            // else the soak starts the daemon again itself
  std::uint64_t longest_ms = 30;     // between "it serves" and its kill
  std::uint64_t census = 50;         // kills from one full comparison to the next
  std::uint64_t patience_s = 20;
  std::uint64_t crash_points = 0;  // so many rounds of all of them, instead of random instants
  std::string control;             // a file that names the next daemon's point (crash_runner.cc)
};

// The exit code if the program has to end now, else -1.
int parse_options(int argc, char** argv, Options& options);

}  // namespace vxs::test::kept
