// The command line of vxenstored-supervise.
#pragma once

#include <string>

#include <tl/expected.hpp>

#include "daemon/supervisor/supervisor.hh"

namespace vxs::supervisor {

struct CommandLine {
  Options options;
  bool syslog = false;
};

/// What to print instead, with a newline at its end, and the exit status: 0 (--help, --version) or
/// 2.
struct UsageEnd {
  int exit_code = 0;
  std::string text;
};

/// Options end at "--" or at the first word that is none.
[[nodiscard]] tl::expected<CommandLine, UsageEnd> parse_command_line(int argc, char** argv);

}  // namespace vxs::supervisor
