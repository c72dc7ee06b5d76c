// The directories the daemon needs (conformance A3, I12).
#pragma once

#include <sys/types.h>

#include <string>

#include "daemon/config/config.hh"
#include "daemon/process/start_error.hh"

namespace vxs::process {

/// mkdir -p. What is created gets exactly `mode`, whatever the umask; what exists stays as it is.
/// Errors: cannot create; the name is something else than a directory.
[[nodiscard]] StartResult<void> make_directory(const std::string& path, mode_t mode);

/// Run directory and the socket's and the pid file's directories 0755 (A3), state and journal
/// directory 0700. The trace file's directory is made when the trace is opened. Errors: as above.
[[nodiscard]] StartResult<void> prepare_directories(const config::Config& config);

}  // namespace vxs::process
