// Waiting for a daemon under test.
#pragma once

#include <chrono>
#include <string>

#include "tests/support/child_process.hh"

namespace vxs::support {

// The value of an environment variable ctest sets; throws std::runtime_error
// naming it when it is missing.
std::string required_env(const char* name);

// Throws std::runtime_error, with the command that would bring it, if there is no file `path`.
void require_program(const std::string& path, const std::string& remedy);

// Returns once READ / at the socket succeeds (I7). Throws std::runtime_error,
// with what stands in the file `output`, if the process ends or the time is up.
void wait_until_answering(ChildProcess& process, const std::string& socket_path,
                          const std::string& output, std::chrono::milliseconds timeout);

}  // namespace vxs::support
