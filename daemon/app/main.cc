// vxenstored: the Xenstore daemon.
#include <spdlog/spdlog.h>

#include <cstdio>
#include <exception>

#include "daemon/app/daemon.hh"
#include "daemon/config/options.hh"
#include "daemon/logging/log.hh"
#include "daemon/process/daemon_form.hh"
#include "daemon/process/instance.hh"
#include "daemon/process/notify.hh"
#include "daemon/process/signals.hh"
#include "daemon/process/xen_probe.hh"

namespace {

using namespace vxs;

/// From here on errors go through `startup`, which tells the parent that waits (I5).
int serve(const config::Config& config, process::Startup& startup) {
  const auto fail = [&startup](const std::string& text) {
    startup.fail(text);
    return 1;
  };
  const auto notifier = process::Notifier::from_environment();
  logging::start(startup.background() ? logging::Target::kSyslog : logging::Target::kStandardError);
  for (const auto& warning : config.warnings) spdlog::warn("{}", warning);

  const auto xen = process::find_xen(config.xen);
  spdlog::info("{}", xen.sentence);

  auto instance = process::Instance::acquire(config);
  if (!instance) return fail(instance.error().text);
  auto daemon = daemon::Daemon::create(config, xen.present, instance->listen_fd());
  if (!daemon) return fail(daemon.error().text);
  if (const auto published = instance->publish_pid(); !published) {
    return fail(published.error().text);
  }
  // READY first: under Type=notify the parent that succeed() releases must not be gone before it.
  if (const auto told = notifier.ready(); !told) spdlog::warn("{}", told.error().text);
  startup.succeed();
  (*daemon)->run();
  (void)notifier.stopping();
  instance->retire();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  process::normalise_process();
  process::prepare_signals();
  const auto config = config::parse_config(argc, argv, config::process_environment());
  if (!config) {
    std::fputs(config.error().text.c_str(), config.error().exit_code == 0 ? stdout : stderr);
    return config.error().exit_code;
  }
  (void)process::raise_descriptor_limit();
  auto startup = config->daemonize
                     ? process::Startup::in_background()
                     : process::StartResult<process::Startup>(process::Startup::in_foreground());
  if (!startup) {
    std::fprintf(stderr, "vxenstored: %s\n", startup.error().text.c_str());
    return 1;
  }
  int code = 1;
  try {
    code = serve(*config, *startup);
  } catch (const std::exception& error) {
    spdlog::critical("ending: {}", error.what());
    startup->fail(error.what());
  }
  logging::stop();
  return code;
}
