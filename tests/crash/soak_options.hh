// The command line of kill_soak.
#pragma once

#include <cstdint>
#include <string>

namespace vxs::test {

struct SoakOptions {
  int kills = 50;
  std::uint64_t seed = 0;  // 0: another one each time
  std::string durability = "process";
  std::string journal = "/dev/shm";  // state and journal lie below it: mapped there, else pwrite
  int clients = 4;
  int check_every = 10;
  int longest_ms = 250;
};

// The exit code if the program has to end now, else -1.
int parse_soak_options(int argc, char** argv, SoakOptions& options);

}  // namespace vxs::test
