// vxenstored: the Xenstore daemon. In daemon form this process becomes the supervisor, and starts
// itself once more with -N as the daemon (design §6).
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <utility>

#include "daemon/app/daemon.hh"
#include "daemon/config/options.hh"
#include "daemon/keeper/keeper.hh"
#include "daemon/logging/log.hh"
#include "daemon/process/daemon_form.hh"
#include "daemon/process/instance.hh"
#include "daemon/process/notify.hh"
#include "daemon/process/signals.hh"
#include "daemon/process/xen_probe.hh"
#include "daemon/supervisor/supervisor.hh"

namespace {

using namespace vxs;

/// Tells the daemon that its supervisor is of the daemon form: it has no terminal to talk to.
constexpr const char* kFormVariable = "VXENSTORED_FORM";
constexpr const char* kDaemonForm = "daemon";

/// The listening socket's name at the supervisor, which accepts on one whose name begins so.
constexpr const char* kAcceptedOn = "listen";
/// The same socket, which we accept on ourselves, because connections are volatile.
constexpr const char* kOurOwn = "socket";

process::Descriptor take_listener(keeper::Inheritance& inheritance) {
  for (auto& kept : inheritance.descriptors) {
    if (kept.name == kAcceptedOn || kept.name == kOurOwn) return std::move(kept.fd);
  }
  return {};
}

/// From here on errors go through `startup`, which tells the parent that waits (I5).
int serve(const config::Config& config, process::Startup& startup) {
  const auto fail = [&startup](const std::string& text) {
    startup.fail(text);
    return 1;
  };
  const char* form = std::getenv(kFormVariable);
  const bool in_daemon_form = form != nullptr && std::string_view(form) == kDaemonForm;
  keeper::Inheritance inheritance;
  auto keeper = keeper::Keeper::adopt(inheritance);
  if (!keeper) return fail(keeper.error().text);
  keeper::Keeper* const supervisor = keeper->get();
  const auto notifier =
      supervisor == nullptr ? process::Notifier::from_environment() : process::Notifier();
  const bool silent = startup.background() || in_daemon_form;
  logging::start(silent ? logging::Target::kSyslog : logging::Target::kStandardError);
  for (const auto& warning : config.warnings) spdlog::warn("{}", warning);

  const auto xen = process::find_xen(config.xen);
  spdlog::info("{}", xen.sentence);

  auto instance = process::Instance::acquire(config, take_listener(inheritance));
  if (!instance) return fail(instance.error().text);
  if (supervisor != nullptr) {
    supervisor->release(config.keep_connections ? kOurOwn : kAcceptedOn);
    supervisor->keep(config.keep_connections ? kAcceptedOn : kOurOwn, instance->listen_fd());
  }
  auto daemon = daemon::Daemon::create(config, xen.present, instance->listen_fd(), supervisor,
                                       std::move(inheritance));
  if (!daemon) return fail(daemon.error().text);
  const auto publish = [&](pid_t pid) { return instance->publish_pid(pid); };
  const auto published = publish(supervisor != nullptr ? supervisor->supervisor_pid() : ::getpid());
  if (!published) return fail(published.error().text);
  (*daemon)->on_replaced([&](pid_t pid) {
    if (const auto told = publish(pid); !told) spdlog::warn("{}", told.error().text);
  });
  // READY first: under Type=notify the parent that succeed() releases must not be gone before it.
  if (supervisor != nullptr) {
    if (in_daemon_form) process::standard_descriptors_to_null();
    supervisor->ready();
  } else if (const auto told = notifier.ready(); !told) {
    spdlog::warn("{}", told.error().text);
  }
  startup.succeed();
  (*daemon)->run();
  (void)notifier.stopping();
  instance->retire();
  return 0;
}

/// The daemon form with kept connections. `directory`: where the command line was given.
int supervise(int argc, char** argv, const std::string& directory, process::Startup& startup) {
  supervisor::Options options;
  options.command.assign(argv, argv + argc);
  options.command.insert(options.command.begin() + 1, "-N");
  options.binary = "/proc/self/exe";
  bool ready = false;
  options.on_ready = [&] {
    ready = true;
    startup.succeed();
  };
  ::setenv(kFormVariable, kDaemonForm, 1);
  ::setenv(config::kDirectoryVariable, directory.c_str(), 1);
  logging::start(logging::Target::kSyslog);
  const auto ended = supervisor::run(options);
  if (!ended) {
    startup.fail(ended.error().text);
    return 1;
  }
  if (!ready) startup.fail(fmt::format("the daemon ended with status {} while it started", *ended));
  return *ended;
}

}  // namespace

int main(int argc, char** argv) {
  process::normalise_process();
  process::prepare_signals();
  const auto environment = config::process_environment();
  const auto config = config::parse_config(argc, argv, environment);
  if (!config) {
    std::fputs(config.error().text.c_str(), config.error().exit_code == 0 ? stdout : stderr);
    return config.error().exit_code;
  }
  (void)process::raise_descriptor_limit();
  // A daemon whose supervisor died starts this one in its place: there is nobody to go away from.
  const bool successor = std::getenv(supervisor::kAdoptVariable) != nullptr;
  auto startup = config->daemonize && !successor
                     ? process::Startup::in_background()
                     : process::StartResult<process::Startup>(process::Startup::in_foreground());
  if (!startup) {
    std::fprintf(stderr, "vxenstored: %s\n", startup.error().text.c_str());
    return 1;
  }
  int code = 1;
  try {
    code = successor || (config->daemonize && config->keep_connections)
               ? supervise(argc, argv, environment.working_directory, *startup)
               : serve(*config, *startup);
  } catch (const std::exception& error) {
    spdlog::critical("ending: {}", error.what());
    startup->fail(error.what());
  }
  logging::stop();
  return code;
}
