#include "daemon/config/settings.hh"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

namespace vxs::config {
namespace {

constexpr std::string_view kDefaultRunDir = "/var/run/xenstored";
constexpr std::string_view kDefaultStateDir = "/var/lib/vxenstored";
constexpr std::string_view kDefaultLogDir = "/var/lib/xen/xenstore";
constexpr std::uint64_t kJournalBudgetMax = 256ULL << 20;
constexpr std::uint64_t kJournalBudgetMin = 64ULL << 20;
// C caps -M at the protocol's own limit; "unlimited" can mean no more than that.
constexpr std::uint32_t kPathLimit = 2048;

std::string absolute(const std::string& path, const std::string& base) {
  return (std::filesystem::path(base) / path).lexically_normal().string();
}

std::optional<std::string> set_value(const std::optional<std::string>& variable) {
  return variable && !variable->empty() ? variable : std::nullopt;
}

/// Chooses between the sources and makes names absolute: those of options and environment from
/// the working directory, those of the file from "/".
class Chooser {
 public:
  Chooser(const Settings& options, const Settings& file, const Environment& environment)
      : options_(options), file_(file), environment_(environment) {}

  template <typename T>
  [[nodiscard]] T value(std::optional<T> Settings::*field, T fallback) const {
    if (options_.*field) return *(options_.*field);
    return (file_.*field).value_or(std::move(fallback));
  }

  [[nodiscard]] std::string path(std::optional<std::string> Settings::*field,
                                 const std::optional<std::string>& variable,
                                 const std::string& fallback) const {
    if (options_.*field) return from_here(*(options_.*field));
    if (const auto set = set_value(variable)) return from_here(*set);
    if (file_.*field) return absolute(*(file_.*field), "/");
    return fallback;
  }

  [[nodiscard]] std::string from_here(const std::string& path) const {
    return absolute(path, environment_.working_directory);
  }

 private:
  const Settings& options_;
  const Settings& file_;
  const Environment& environment_;
};

void choose_locations(const Chooser& choose, const Environment& environment, Config& config) {
  config.run_dir =
      choose.path(&Settings::run_dir, environment.xenstored_rundir, std::string(kDefaultRunDir));
  config.socket_path =
      choose.path(&Settings::socket_path, environment.xenstored_path, config.run_dir + "/socket");
  config.pid_file = choose.path(&Settings::pid_file, std::nullopt, "");
  std::string default_state(kDefaultStateDir);
  if (const auto rundir = set_value(environment.xenstored_rundir)) {
    default_state = choose.from_here(*rundir) + "/state";
  }
  config.state_dir = choose.path(&Settings::state_dir, std::nullopt, default_state);
  const bool on_disk = config.durability == store::Durability::kDisk;
  config.journal_dir = choose.path(&Settings::journal_dir, std::nullopt,
                                   (on_disk ? config.state_dir : config.run_dir) + "/journal");
  config.log_dir = choose.path(&Settings::log_dir, std::nullopt, std::string(kDefaultLogDir));
  // Unlike the others a relative trace file has a home of its own (I12).
  const std::string trace = choose.value(&Settings::trace_file, std::string());
  config.trace_file = trace.empty() ? trace : absolute(trace, config.log_dir);
}

void choose_quotas(const Settings& options, const Settings& file, QuotaSettings& quotas) {
  for (const QuotaInfo& info : quota_infos()) {
    const auto index = static_cast<std::size_t>(info.quota);
    if (const auto& set = options.quotas[index] ? options.quotas[index] : file.quotas[index]) {
      quotas[info.quota] = *set;
    }
  }
  std::uint32_t& path = quotas[Quota::kPathMax];
  path = path == 0 ? kPathLimit : std::min(path, kPathLimit);
}

std::uint64_t default_journal_budget(std::uint64_t memory_bytes) {
  if (memory_bytes == 0) return kJournalBudgetMax;
  return std::clamp(memory_bytes / 10, kJournalBudgetMin, kJournalBudgetMax);
}

}  // namespace

tl::expected<Config, ConfigError> resolve(const Settings& options,
                                          const std::optional<std::string>& config_file,
                                          const Environment& environment) {
  Config config;
  Settings file;
  std::error_code ignored;
  if (config_file) {
    config.config_file = absolute(*config_file, environment.working_directory);
  } else if (std::filesystem::exists(environment.default_config_file, ignored)) {
    config.config_file = environment.default_config_file;
  }
  if (!config.config_file.empty()) {
    auto read = read_file(config.config_file);
    if (!read) return tl::make_unexpected(std::move(read).error());
    file = *std::move(read);
  }

  const Chooser choose(options, file, environment);
  config.durability = choose.value(&Settings::durability, config.durability);
  choose_locations(choose, environment, config);
  config.daemonize = choose.value(&Settings::daemonize, config.daemonize);
  config.keep_orphans = choose.value(&Settings::keep_orphans, config.keep_orphans);
  config.history = choose.value(&Settings::history, config.history);
  config.after_reboot = choose.value(&Settings::after_reboot, config.after_reboot);
  config.xen = choose.value(&Settings::xen, config.xen);
  config.keep_connections =
      choose.value(&Settings::keep_connections, config.durability != store::Durability::kMemory) &&
      config.durability != store::Durability::kMemory;
  config.store_domid = choose.value(&Settings::store_domid, config.store_domid);
  config.control_domid = choose.value(&Settings::control_domid, config.control_domid);
  config.own_event = choose.value(&Settings::own_event, config.own_event);
  config.journal_budget_bytes = choose.value(&Settings::journal_budget_bytes,
                                             default_journal_budget(environment.memory_bytes));
  config.watch_event_timeout = std::chrono::seconds(
      choose.value(&Settings::watch_event_seconds,
                   static_cast<std::uint32_t>(config.watch_event_timeout.count())));
  config.update_timeout = std::chrono::seconds(choose.value(
      &Settings::update_seconds, static_cast<std::uint32_t>(config.update_timeout.count())));
  choose_quotas(options, file, config.quotas);
  config.redact = file.redact;
  config.trace_control = file.trace_control;
  config.trace_control.insert(config.trace_control.end(), options.trace_control.begin(),
                              options.trace_control.end());

  if (config.journal_dir == config.state_dir) {
    return tl::make_unexpected(
        ConfigError{"the journal directory and the state directory are both " + config.state_dir +
                    "; they must differ"});
  }
  return config;
}

}  // namespace vxs::config
