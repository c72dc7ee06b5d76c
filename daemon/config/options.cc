#include "daemon/config/options.hh"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string_view>
#include <system_error>
#include <utility>

#include "daemon/config/words.hh"

namespace vxs::config {
namespace {

constexpr std::string_view kProgram = "vxenstored";
constexpr std::uint32_t kSecondsMax = 1'000'000;

/// Everything one command line says.
struct CommandLine {
  Settings settings;
  std::optional<std::string> config_file;
  bool live_update = false;
  std::vector<std::string> warnings;
};

using OnValue = std::function<void(const std::string&)>;

/// An option with one argument. The function runs at once, so that the order on the command line
/// decides (-E 5 -Q nodes=7), and of several the last one counts, as with getopt.
void add_value(CLI::App& app, const char* names, const char* argument, const char* help,
               OnValue on_value) {
  app.add_option_function<std::string>(names, std::move(on_value), help)
      ->type_name(argument)
      ->trigger_on_parse()
      ->take_last();
}

template <typename T>
void add_word(CLI::App& app, const std::string& name, const char* argument, const char* help,
              std::optional<T> (*parse)(std::string_view) noexcept, std::string_view words,
              std::optional<T>& target) {
  add_value(app, name.c_str(), argument, help, [=, &target](const std::string& word) {
    target = parse(word);
    if (!target) {
      throw CLI::ValidationError(name, "'" + word + "' is not " + std::string(words));
    }
  });
}

std::uint32_t number_or_throw(const std::string& option, const std::string& text,
                              std::uint32_t max) {
  const auto value = parse_number(text, max);
  if (!value) {
    throw CLI::ValidationError(
        option, "'" + text + "' is not a whole number from 0 to " + std::to_string(max));
  }
  return *value;
}

/// Splits "name=number" for -Q, -q and -w.
std::pair<std::string, std::uint32_t> assignment_or_throw(const std::string& option,
                                                          const std::string& text,
                                                          std::uint32_t max) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) {
    throw CLI::ValidationError(option, "'" + text + "' is not of the form name=number");
  }
  return {text.substr(0, equals), number_or_throw(option, text.substr(equals + 1), max)};
}

std::string quota_names(bool soft) {
  std::string names;
  for (const QuotaInfo& info : quota_infos()) {
    if (info.soft != soft) continue;
    if (!names.empty()) names += ", ";
    names += soft ? info.name.substr(std::string_view("soft-").size()) : info.name;
  }
  return names;
}

void add_quota(CLI::App& app, const char* names, const char* help, Quota quota,
               Settings& settings) {
  add_value(app, names, "N", help, [=, &settings](const std::string& text) {
    settings.quotas[static_cast<std::size_t>(quota)] = number_or_throw(names, text, kQuotaValueMax);
  });
}

void add_named_quota(CLI::App& app, const char* names, const std::string& help, bool soft,
                     Settings& settings) {
  add_value(app, names, "NAME=N", help.c_str(), [=, &settings](const std::string& text) {
    const auto [name, value] = assignment_or_throw(names, text, kQuotaValueMax);
    const auto quota = soft ? soft_quota_from_name(name) : quota_from_name(name);
    if (!quota || quota_info(*quota).soft != soft) {
      throw CLI::ValidationError(names, "there is no " + std::string(soft ? "soft " : "") +
                                            "quota '" + name + "'; there are " + quota_names(soft));
    }
    settings.quotas[static_cast<std::size_t>(*quota)] = value;
  });
}

void add_files_and_form(CLI::App& app, CommandLine& line) {
  Settings& settings = line.settings;
  add_value(app, "-F,--pid-file", "FILE", "Write the pid of the daemon to FILE",
            [&](const std::string& file) { settings.pid_file = file; });
  app.add_flag_callback(
      "-N,--no-fork", [&] { settings.daemonize = false; },
      "Stay in the foreground, log to standard error");
  app.add_flag_callback(
      "-U,--live-update", [&] { line.live_update = true; },
      "Go on for the daemon this process was: `xenstore-control live-update` adds it");
  add_value(app, "--config", "FILE",
            "Read the TOML file FILE instead of /etc/vxenstored/vxenstored.toml",
            [&](const std::string& file) { line.config_file = file; });
  add_value(app, "--state-dir", "DIR",
            "State that survives (default $XENSTORED_RUNDIR/state if that variable is set, else "
            "/var/lib/vxenstored)",
            [&](const std::string& dir) { settings.state_dir = dir; });
  add_value(app, "--journal-dir", "DIR",
            "Journal and checkpoints (default RUNDIR/journal; STATE/journal for durability disk)",
            [&](const std::string& dir) { settings.journal_dir = dir; });
  add_word(app, "--durability", "POLICY",
           "What an acknowledged change survives: memory (nothing), process (death of the "
           "daemon, the default) or disk (a power cut)",
           &durability_from_word, kDurabilityWords, settings.durability);
  add_word(app, "--after-reboot", "WHAT",
           "State of another boot: empty (default with Xen) or keep (default without)",
           &after_reboot_from_word, kAfterRebootWords, settings.after_reboot);
  add_word(app, "--connections", "kept|volatile",
           "Whether clients stay connected when the daemon dies (default kept)",
           &connections_from_word, kConnectionsWords, settings.keep_connections);
  add_word(app, "--history", "on|off", "Write the Git history (default on)", &on_off_from_word,
           kOnOffWords, settings.history);
  add_word(app, "--xen", "auto|on|off", "Serve guests of this host (default auto)",
           &xen_mode_from_word, kXenWords, settings.xen);
  const auto domid = [&app](const char* names, const char* help, std::optional<DomId>& setting) {
    add_value(app, names, "DOMID", help, [=, &setting](const std::string& text) {
      setting = static_cast<DomId>(number_or_throw(names, text, kDomIdFirstReserved - 1));
    });
  };
  domid("-m,--master-domid", "The domain this daemon runs in (default 0)", settings.store_domid);
  domid("-p,--priv-domid", "The domain that may do everything (default 0)", settings.control_domid);
  add_value(app, "-e,--event", "PORT",
            "Event channel of the ring of this daemon's domain (default: what the kernel says)",
            [&](const std::string& text) {
              settings.own_event = number_or_throw("-e,--event", text, ~std::uint32_t{0});
            });
  app.add_flag_callback(
      "-K,--keep-orphans", [&] { settings.keep_orphans = true; },
      "Keep nodes of a domain that is gone (a security risk)");
}

void add_tracing(CLI::App& app, CommandLine& line) {
  Settings& settings = line.settings;
  add_value(app, "-T,--trace-file", "FILE", "Trace to FILE (see CONTROL logfile)",
            [&](const std::string& file) { settings.trace_file = file; });
  add_value(app, "--trace-control", "+SWITCH|-SWITCH",
            "Turn a kind of trace lines on or off: obj, io, wrl, acc, tdb; may be repeated",
            [&](const std::string& text) {
              if (!is_trace_switch(text)) {
                throw CLI::ValidationError("--trace-control",
                                           "'" + text +
                                               "' is not + or - and one of obj, io, wrl, "
                                               "acc, tdb");
              }
              settings.trace_control.push_back(text);
            });
}

void add_quotas(CLI::App& app, Settings& settings) {
  add_quota(app, "-E,--entry-nb", "Nodes a domain may own", Quota::kNodes, settings);
  add_quota(app, "-S,--entry-size", "Bytes of a node", Quota::kNodeSize, settings);
  add_quota(app, "-W,--watch-nb", "Watches of a domain", Quota::kWatches, settings);
  add_quota(app, "-t,--transaction", "Open transactions of a domain", Quota::kTransactions,
            settings);
  add_quota(app, "-A,--perm-nb", "Permissions of a node", Quota::kNodePermissions, settings);
  add_quota(app, "-M,--path-max", "Bytes of a relative path, at most 2048", Quota::kPathMax,
            settings);
  add_named_quota(app, "-Q,--quota",
                  "Set a quota: " + quota_names(false) + "; 0 is unlimited; may be repeated", false,
                  settings);
  add_named_quota(app, "-q,--quota-soft", "Warn in the log above this value: " + quota_names(true),
                  true, settings);
  add_value(app, "-w,--timeout", "NAME=SECONDS",
            "watch-event: how long a watch event waits for a guest that takes none (default 20, 0 "
            "for ever); update: how long the new program of a live update may take (default 10)",
            [&](const std::string& text) {
              const auto [name, value] = assignment_or_throw("-w,--timeout", text, kSecondsMax);
              if (name == "watch-event") {
                settings.watch_event_seconds = value;
              } else if (name == "update") {
                settings.update_seconds = value;
              } else {
                throw CLI::ValidationError("-w,--timeout", "there is no timeout '" + name +
                                                               "', only watch-event and update");
              }
            });
}

/// Options the C daemon had once and site configurations still have (I2).
void add_removed(CLI::App& app, std::vector<std::string>& warnings) {
  const auto warn = [&warnings](const std::string& names) {
    warnings.push_back("option " + names + " no longer does anything and is ignored");
  };
  static constexpr std::array<const char*, 4> kFlags{"-D,--no-domain-init", "-P,--output-pid",
                                                     "-R,--no-recovery", "-V,--verbose"};
  for (const char* const names : kFlags) {
    app.add_flag_callback(
           names, [warn, names] { warn(names); }, "Ignored")
        ->group("Accepted and ignored");
  }
  app.add_option_function<std::vector<std::string>>(
         "-I,--internal-db", [warn](const auto&) { warn("-I,--internal-db"); }, "Ignored")
      ->expected(0, 1)
      ->type_name("[on|off]")
      ->group("Accepted and ignored");
}

std::string working_directory() {
  std::error_code error;
  const std::filesystem::path here = std::filesystem::current_path(error);
  return error ? "/" : here.string();
}

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::optional<std::string>(value) : std::nullopt;
}

EarlyExit usage_error(const std::string& text) {
  return EarlyExit{
      std::string(kProgram) + ": " + text + "\nTry '" + std::string(kProgram) + " --help'.\n", 1};
}

}  // namespace

Environment process_environment() {
  Environment environment;
  environment.xenstored_path = variable("XENSTORED_PATH");
  environment.xenstored_rundir = variable("XENSTORED_RUNDIR");
  environment.working_directory = variable(kDirectoryVariable).value_or(working_directory());
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page_bytes = ::sysconf(_SC_PAGESIZE);
  if (pages > 0 && page_bytes > 0) {
    environment.memory_bytes =
        static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes);
  }
  return environment;
}

tl::expected<Config, EarlyExit> parse_config(int argc, const char* const* argv,
                                             const Environment& environment) {
  CommandLine line;
  CLI::App app{"Xenstore daemon with transactions as branches and a history in Git",
               std::string(kProgram)};
  app.set_help_flag("-H,--help", "Print this text and exit");
  app.set_version_flag("--version", std::string(kProgram) + " " VXS_VERSION);
  add_files_and_form(app, line);
  add_tracing(app, line);
  add_quotas(app, line.settings);
  add_removed(app, line.warnings);

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return tl::make_unexpected(EarlyExit{app.help(), 0});
  } catch (const CLI::CallForVersion& version) {
    return tl::make_unexpected(EarlyExit{std::string(version.what()) + "\n", 0});
  } catch (const CLI::ParseError& error) {
    return tl::make_unexpected(usage_error(error.what()));
  }

  auto config = resolve(line.settings, line.config_file, environment);
  if (!config) return tl::make_unexpected(usage_error(config.error().text));
  config->live_update = line.live_update;
  config->warnings = std::move(line.warnings);
  return *std::move(config);
}

}  // namespace vxs::config
