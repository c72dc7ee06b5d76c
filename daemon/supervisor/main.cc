// vxenstored-supervise: the supervisor for a daemon that is a command of its own.
#include <spdlog/spdlog.h>
#include <sys/prctl.h>

#include <cstdio>
#include <exception>

#include "daemon/logging/log.hh"
#include "daemon/process/daemon_form.hh"
#include "daemon/process/signals.hh"
#include "daemon/supervisor/options.hh"

int main(int argc, char** argv) {
  using namespace vxs;
  process::normalise_process();
  process::prepare_signals();
  // Started by a daemon through a descriptor, it would be called by the descriptor's number.
  (void)::prctl(PR_SET_NAME, "vxenstored-supervise");
  const auto line = supervisor::parse_command_line(argc, argv);
  if (!line) {
    std::fputs(line.error().text.c_str(), line.error().exit_code == 0 ? stdout : stderr);
    return line.error().exit_code;
  }
  logging::start(line->syslog ? logging::Target::kSyslog : logging::Target::kStandardError);
  int code = 1;
  try {
    const auto ended = supervisor::run(line->options);
    if (ended) {
      code = *ended;
    } else {
      spdlog::critical("supervisor: {}", ended.error().text);
    }
  } catch (const std::exception& error) {
    spdlog::critical("supervisor: ending: {}", error.what());
  }
  logging::stop();
  return code;
}
