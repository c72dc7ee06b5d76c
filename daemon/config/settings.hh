// What one source (the options, or the file) said, and how sources become a Config.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "daemon/config/config.hh"

namespace vxs::config {

/// What the process was born with, as far as the configuration looks at it. A value, so that tests
/// choose it; process_environment() (options.hh) reads the real one.
struct Environment {
  std::optional<std::string> xenstored_path;    ///< $XENSTORED_PATH; empty counts as unset
  std::optional<std::string> xenstored_rundir;  ///< $XENSTORED_RUNDIR; empty counts as unset
  std::string working_directory = "/";          ///< relative file names begin here
  std::string default_config_file = "/etc/vxenstored/vxenstored.toml";  ///< read if it exists
  std::uint64_t memory_bytes = 0;  ///< of the machine; 0: unknown
};

/// The settings one source named; the others are empty. Fields as in Config.
struct Settings {
  std::optional<std::string> run_dir;
  std::optional<std::string> socket_path;
  std::optional<std::string> pid_file;
  std::optional<std::string> state_dir;
  std::optional<std::string> journal_dir;
  std::optional<std::string> log_dir;
  std::optional<std::string> trace_file;
  std::optional<bool> daemonize;
  std::optional<bool> keep_orphans;
  std::optional<bool> history;
  std::optional<store::Durability> durability;
  std::optional<AfterReboot> after_reboot;
  std::optional<bool> keep_connections;
  std::optional<XenMode> xen;
  std::optional<std::uint64_t> journal_budget_bytes;
  std::optional<DomId> store_domid;
  std::optional<DomId> control_domid;
  std::optional<std::uint32_t> own_event;
  std::optional<std::uint32_t> watch_event_seconds;
  std::optional<std::uint32_t> update_seconds;
  std::array<std::optional<std::uint32_t>, kQuotaCount> quotas;
  std::vector<std::string> trace_control;
  std::vector<std::string> redact;
};

/// A sentence for the operator, "FILE:LINE: …" where a file is to blame.
struct ConfigError {
  std::string text;
};

/// Reads a TOML file. Unknown keys, wrong types and bad values are errors with file and line;
/// so is a file that cannot be read. Relative names in it are relative to "/".
[[nodiscard]] tl::expected<Settings, ConfigError> read_file(const std::string& path);

/// Reads `config_file`, or the environment's default file if it exists and none is named, and
/// merges: option before environment before file before default. For the daemon and for `vxs`,
/// which passes only the options it has (state_dir, say). Errors: those of read_file(), and
/// values that contradict each other.
[[nodiscard]] tl::expected<Config, ConfigError> resolve(
    const Settings& options, const std::optional<std::string>& config_file,
    const Environment& environment);

}  // namespace vxs::config
