// The library of tests/fakexen for a daemon under test.
#pragma once

#include <string>

#include "tests/support/child_process.hh"

namespace vxs::support {

// Its path: $FAKEXEN_LIB, else that of this build. Throws std::runtime_error.
std::string fakexen_library();

// The sanitizer's library, if the command has one, will stand behind ours, which it would refuse.
void expect_preloaded(Command& command);

// Lets the command run on the fake machine in `directory`.
void preload_fakexen(const std::string& directory, Command& command);

}  // namespace vxs::support
