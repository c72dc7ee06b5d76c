// vxs: read the history and the state of vxenstored. See tools/man/vxs.1.
#include <csignal>
#include <exception>
#include <iostream>
#include <variant>

#include "tools/vxs/commands.hh"
#include "tools/vxs/exit_code.hh"
#include "tools/vxs/options.hh"
#include "tools/vxs/output.hh"

namespace {

/// A pager would wait for the end of what never ends, or cut JSON into screens.
bool wants_pager(const vxs::tools::Options& options) {
  if (!options.common.page || options.common.json) return false;
  if (const auto* log = std::get_if<vxs::tools::LogOptions>(&options.command)) return !log->follow;
  if (const auto* at = std::get_if<vxs::tools::AtOptions>(&options.command)) return at->list;
  return !std::holds_alternative<vxs::tools::PathOptions>(options.command);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace vxs::tools;
  try {
    int exit_code = kExitOk;
    const auto options = parse_command_line(argc, argv, exit_code);
    if (!options) return exit_code;
    std::signal(SIGPIPE, SIG_IGN);  // a pager that was quit shows as a failed write
    Output out(options->common.colour, wants_pager(*options));
    Context context{options->common, out};
    return std::visit([&](const auto& command) { return run(context, command); }, options->command);
  } catch (const std::exception& error) {
    std::cerr << "vxs: " << printable(error.what()) << '\n';
    return kExitUnreadable;
  }
}
