// The command line (conformance I1, I2).
#pragma once

#include <string>

#include <tl/expected.hpp>

#include "daemon/config/config.hh"
#include "daemon/config/settings.hh"

namespace vxs::config {

/// The program is to print `text` (standard output if exit_code is 0, else standard error) and
/// to exit: --help, --version, a usage error, a bad file.
struct EarlyExit {
  std::string text;  ///< ends with a newline
  int exit_code = 0;
};

/// Names the directory in which the command line was given, for a daemon that was started
/// elsewhere.
inline constexpr const char* kDirectoryVariable = "VXENSTORED_WORKING_DIRECTORY";

/// Reads the variables, the working directory and the memory size of this process.
[[nodiscard]] Environment process_environment();

/// Options, environment, file and defaults become a Config. Bad values, unknown options and
/// positional arguments give exit code 1. Touches nothing but the configuration file.
[[nodiscard]] tl::expected<Config, EarlyExit> parse_config(int argc, const char* const* argv,
                                                           const Environment& environment);

}  // namespace vxs::config
