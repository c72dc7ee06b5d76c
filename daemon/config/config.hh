// Everything the daemon can be told, after options, environment, file and defaults were merged.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/config/quota.hh"
#include "protocol/ids.hh"
#include "store/journal/journal.hh"

namespace vxs::config {

/// What becomes of the state of an earlier boot (design §5).
enum class AfterReboot : std::uint8_t {
  kAuto,   ///< kEmpty where Xen is present, kKeep elsewhere (default)
  kEmpty,  ///< state of another boot is history only
  kKeep,   ///< go on with it
};

/// Patterns in Config::redact: each is held against every change.
inline constexpr std::size_t kMaxRedact = 100;

/// --xen.
enum class XenMode : std::uint8_t {
  kAuto,  ///< look for an event-channel device (default)
  kOn,    ///< fail without
  kOff,   ///< sockets only, do not look
};

/// Plain values. Every path is absolute. Built by parse_config() (options.hh) or resolve()
/// (settings.hh); the initialisers here are the defaults of what has a fixed one.
struct Config {
  /// The TOML file that was read; empty if none. --config, else
  /// /etc/vxenstored/vxenstored.toml if it exists.
  std::string config_file;
  /// Run directory. $XENSTORED_RUNDIR, else run-dir of the file, else /var/run/xenstored (A1).
  std::string run_dir;
  /// Listening socket. $XENSTORED_PATH, else socket of the file, else <run_dir>/socket (A1).
  std::string socket_path;
  /// Where the pid is written; empty (default): nowhere.
  std::string pid_file;
  /// State that survives: Git history, locks. --state-dir, else the file, else
  /// $XENSTORED_RUNDIR/state if that variable is set, else /var/lib/vxenstored.
  std::string state_dir;
  /// Journal and checkpoints. --journal-dir, else the file, else <run_dir>/journal for
  /// durability memory and process, <state_dir>/journal for disk.
  std::string journal_dir;
  /// Relative trace file names (-T, CONTROL logfile) are under it. Default /var/lib/xen/xenstore.
  std::string log_dir;
  /// Trace file, absolute; empty (default): no trace.
  std::string trace_file;
  /// Trace switches "+io", "-obj", … to apply in this order to the default, obj and io (I10).
  std::vector<std::string> trace_control;

  /// Fork into the background. Default true; -N makes it false.
  bool daemonize = true;
  /// -U: this process was a C daemon until now, which left its state and descriptors (hot swap).
  bool live_update = false;
  /// -K: keep the nodes of a domain that died. Default false.
  bool keep_orphans = false;
  /// Write the Git history. Default true.
  bool history = true;
  /// Paths whose values are not written to the Git history (protocol/path_glob.hh); at most
  /// kMaxRedact. Default: none.
  std::vector<std::string> redact;
  /// When a reply may leave. Default process.
  store::Durability durability = store::Durability::kProcess;
  /// Default auto.
  AfterReboot after_reboot = AfterReboot::kAuto;
  /// Default auto.
  XenMode xen = XenMode::kAuto;
  /// Clients stay connected when the daemon dies and is started again (design §6); false:
  /// "volatile". Default true; false with durability memory, which has nothing for them to come
  /// back to.
  bool keep_connections = true;
  /// Bytes all journal segments may have together. Default: 256 MiB or a tenth of the machine's
  /// memory, whichever is less; at least 64 MiB.
  std::uint64_t journal_budget_bytes = 256U << 20;
  /// -m: the domain the daemon runs in. Default 0.
  DomId store_domid = 0;
  /// -p: the domain that may do everything. Default 0.
  DomId control_domid = 0;
  /// -e: the remote port of the store domain's own ring, instead of what the kernel says; 0
  /// (default): ask the kernel.
  std::uint32_t own_event = 0;
  /// How long a watch event is kept for a ring that takes none (-w watch-event). Default 20 s;
  /// 0: for ever.
  std::chrono::seconds watch_event_timeout{20};
  /// How long a live update's new program may take until it takes over (-w update). Default 10 s.
  std::chrono::seconds update_timeout{10};
  /// Global quota values (G).
  QuotaSettings quotas;

  /// Sentences for the log: options that no longer do anything (I2), and the like.
  std::vector<std::string> warnings;

  /// The bare Git repository: <state_dir>/history.git.
  [[nodiscard]] std::string history_dir() const { return state_dir + "/history.git"; }
  /// Resolves kAuto: `xen_present` is what the probe of the event-channel device found.
  [[nodiscard]] bool keep_after_reboot(bool xen_present) const noexcept;
};

}  // namespace vxs::config
