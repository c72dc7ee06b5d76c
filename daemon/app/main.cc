// vxenstored: the Xenstore daemon. In daemon form this process becomes the supervisor, and starts
// itself once more with -N as the daemon (design §6). So it does with -U, which a C daemon that was
// told to become us adds to its own command line.
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "daemon/app/daemon.hh"
#include "daemon/app/host.hh"
#include "daemon/app/initial_tree.hh"
#include "daemon/app/start_times.hh"
#include "daemon/app/state_ahead.hh"
#include "daemon/config/options.hh"
#include "daemon/history/library_ahead.hh"
#include "daemon/hypervisor/domain_list.hh"
#include "daemon/keeper/keeper.hh"
#include "daemon/logging/log.hh"
#include "daemon/process/daemon_form.hh"
#include "daemon/process/heap.hh"
#include "daemon/process/instance.hh"
#include "daemon/process/notify.hh"
#include "daemon/process/signals.hh"
#include "daemon/process/xen_probe.hh"
#include "daemon/supervisor/supervisor.hh"
#include "daemon/swap/take_over.hh"
#include "store/crash_point.hh"

namespace {

using namespace vxs;

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

/// The note of a live update whose new program we are; nothing for any other start.
process::Descriptor note_of_trial(const keeper::Inheritance& inheritance) {
  if (inheritance.update != keeper::UpdateRole::kTrial) return {};
  for (const auto& kept : inheritance.descriptors) {
    if (kept.name == daemon::kUpdateName) {
      return process::Descriptor(::fcntl(kept.fd.get(), F_DUPFD_CLOEXEC, 0));
    }
  }
  return {};
}

/// From here on errors go through `startup`, which tells the parent that waits (I5).
int serve(const config::Config& config, process::Startup& startup, daemon::StartTimes& times) {
  process::Descriptor trial;
  const auto fail = [&](const std::string& text) {
    if (trial) daemon::UpdateNote::tell(trial.get(), text);
    startup.fail(text);
    return 1;
  };
  const bool in_daemon_form = process::supervisor_in_daemon_form();
  VXS_CRASH_POINT("start-executed");
  keeper::Inheritance inheritance;
  auto keeper = keeper::Keeper::adopt(inheritance);
  if (!keeper) return fail(keeper.error().text);
  keeper::Keeper* const supervisor = keeper->get();
  const auto notifier =
      supervisor == nullptr ? process::Notifier::from_environment() : process::Notifier();
  const bool silent = startup.background() || in_daemon_form;
  logging::start(silent ? logging::Target::kSyslog : logging::Target::kStandardError);
  std::optional<daemon::LibraryAhead> library;
  if (config.history) library.emplace();
  std::unique_ptr<daemon::StateAhead> ahead;
  if (supervisor != nullptr && supervisor->is_ahead()) {
    ahead = std::make_unique<daemon::StateAhead>();
    ahead->load(config, process::find_xen(config.xen).present);
    if (library) library->wait();
    if (const auto turn = supervisor->await_turn(inheritance); !turn)
      return fail(turn.error().text);
    times.begin_again();
  }
  trial = note_of_trial(inheritance);
  times.mark("supervisor");
  for (const auto& warning : config.warnings) spdlog::warn("{}", warning);

  const auto xen = process::find_xen(config.xen);
  spdlog::info("{}", xen.sentence);

  if (trial && !config.keep_connections) {
    return fail("connections are volatile with these options, and would end");
  }
  auto instance = process::Instance::acquire(config, take_listener(inheritance));
  if (!instance) return fail(instance.error().text);
  // The new program of a live update finds it kept as it should be, and changes nothing.
  if (supervisor != nullptr && !trial) {
    supervisor->release(config.keep_connections ? kOurOwn : kAcceptedOn);
    supervisor->keep(config.keep_connections ? kAcceptedOn : kOurOwn, instance->listen_fd());
  }
  times.mark("locks");
  auto daemon = daemon::Daemon::create(config, xen.present, instance->listen_fd(), times,
                                       supervisor, std::move(inheritance), std::move(ahead));
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
  times.mark("ready");
  spdlog::info("serving {}", times.sentence());
  (*daemon)->run();
  (void)notifier.stopping();
  instance->retire();
  return 0;
}

/// The supervisor of a daemon of this binary. `directory`: where the command line was given.
supervisor::Options supervise_ourselves(int argc, char** argv, const std::string& directory,
                                        bool in_daemon_form) {
  supervisor::Options options;
  options.command.assign(argv, argv + argc);
  options.command.insert(options.command.begin() + 1, "-N");
  options.binary = "/proc/self/exe";
  if (in_daemon_form) process::name_daemon_form();
  ::setenv(config::kDirectoryVariable, directory.c_str(), 1);
  return options;
}

/// The daemon form with kept connections; or the supervisor that follows a dead one, whatever the
/// form of that was.
int supervise(int argc, char** argv, const std::string& directory, process::Startup& startup,
              bool in_daemon_form) {
  auto options = supervise_ourselves(argc, argv, directory, in_daemon_form);
  bool ready = false;
  options.on_ready = [&] {
    ready = true;
    startup.succeed();
  };
  logging::start(in_daemon_form ? logging::Target::kSyslog : logging::Target::kStandardError);
  const auto ended = supervisor::run(options);
  if (!ended) {
    startup.fail(ended.error().text);
    return 1;
  }
  if (!ready) startup.fail(fmt::format("the daemon ended with status {} while it started", *ended));
  return *ended;
}

std::optional<swap::XenNow> ask_xen(const config::Config& config) {
  if (!process::find_xen(config.xen).present) return std::nullopt;
  const auto list = daemon::DomainList::open();
  if (!list) {
    spdlog::error("live update: {}", list.error());
    return std::nullopt;
  }
  auto domains = list->all();
  auto channels = list->event_channels();
  if (!domains || !channels) {
    spdlog::error("live update: Xen does not say what there is: {}",
                  std::strerror(domains ? channels.error() : domains.error()));
  }
  return swap::XenNow{
      .domains = std::move(domains).value_or(std::vector<daemon::DomainInfo>()),
      .channels = std::move(channels).value_or(std::vector<daemon::EventChannel>())};
}

/// -U: goes on for the C daemon this process was (H7). There is no READY, no socket to make and
/// nobody who waits: the clients do not know.
int take_over(int argc, char** argv, const config::Config& config, const std::string& directory) {
  VXS_CRASH_POINT("take-over-executed");
  auto options = supervise_ourselves(argc, argv, directory, config.daemonize);
  logging::start(config.daemonize ? logging::Target::kSyslog : logging::Target::kStandardError);
  if (!config.keep_connections) {
    spdlog::warn(
        "clients and guests were told nothing of this change: their connections are kept, "
        "whatever was configured");
    options.command.insert(options.command.end(),
                           {"--durability", "process", "--connections", "kept"});
  }
  const auto env = store::make_posix_env();
  store::TreeStats stats;
  store::PermTable perms;
  auto taken =
      swap::take_over(config, {.env = *env,
                               .perms = perms,
                               .tree = daemon::initial_tree(stats, perms, config.control_domid),
                               .boot_id = daemon::boot_id(),
                               .time_us = daemon::SystemClock().wall_us(),
                               .xen = ask_xen(config)});
  if (!taken) {
    spdlog::critical(
        "live update: {}. The daemon before is gone, and this one cannot go on for it; its state "
        "is in {}, which `vxs import` reads",
        taken.error().text, swap::stream_path());
    return 1;
  }
  for (const auto& note : taken->notes) spdlog::warn("live update: {}", note);
  spdlog::info("live update: {}", taken->summary);
  options.inherited = std::move(taken->descriptors);
  options.on_ready = [&] {
    if (const auto removed = env->remove_file(taken->stream); !removed) {
      spdlog::warn("live update: {}", removed.error().what);
    }
    VXS_CRASH_POINT("take-over-ended");
  };
  const auto ended = supervisor::run(options);
  if (!ended) {
    spdlog::critical("live update: {}; the state before is in {}", ended.error().text,
                     taken->stream);
    return 1;
  }
  return *ended;
}

}  // namespace

int main(int argc, char** argv) {
  daemon::StartTimes times;
  process::normalise_process();
  process::prepare_signals();
  process::bound_heaps();
  const auto environment = config::process_environment();
  const auto config = config::parse_config(argc, argv, environment);
  if (!config) {
    std::fputs(config.error().text.c_str(), config.error().exit_code == 0 ? stdout : stderr);
    return config.error().exit_code;
  }
  (void)process::raise_descriptor_limit();
  times.mark("options");
  // A daemon whose supervisor died starts this one in its place: there is nobody to go away from.
  const bool successor = std::getenv(supervisor::kAdoptVariable) != nullptr;
  const bool supervised = std::getenv(supervisor::kChannelVariable) != nullptr;
  const bool takes_over = config->live_update && !successor && !supervised;
  auto startup = config->daemonize && !successor && !takes_over
                     ? process::Startup::in_background()
                     : process::StartResult<process::Startup>(process::Startup::in_foreground());
  if (!startup) {
    std::fprintf(stderr, "vxenstored: %s\n", startup.error().text.c_str());
    return 1;
  }
  int code = 1;
  try {
    if (takes_over) {
      code = take_over(argc, argv, *config, environment.working_directory);
    } else if (successor || (config->daemonize && config->keep_connections)) {
      code = supervise(argc, argv, environment.working_directory, *startup,
                       !successor || process::supervisor_in_daemon_form());
    } else {
      code = serve(*config, *startup, times);
    }
  } catch (const std::exception& error) {
    spdlog::critical("ending: {}", error.what());
    startup->fail(error.what());
  }
  logging::stop();
  return code;
}
