// Hot swap from the C daemon (conformance H7..H12; design §6; docs/state-stream.md): this process
// was a C xenstored, which wrote down its state and became us, descriptors and all.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/config/config.hh"
#include "daemon/hypervisor/domain_list.hh"
#include "daemon/process/start_error.hh"
#include "store/env.hh"
#include "store/perm_set.hh"
#include "store/tree.hh"

namespace vxs::swap {

struct TakenOver {
  /// For the supervisor, by the names a restarted daemon looks for: the listening socket, clients,
  /// the wire area, with Xen the event channels. Theirs: nobody here closes them.
  std::vector<std::pair<std::string, int>> descriptors;
  std::string stream;  ///< the file with the state: removed when a daemon is ready
  std::string summary;
  std::vector<std::string> notes;  ///< what did not come along, for the log
};

/// What Xen says now.
struct XenNow {
  std::vector<daemon::DomainInfo> domains;     ///< all, by ascending domid: who a stream's are
  std::vector<daemon::EventChannel> channels;  ///< of our domain, by ascending local port
};

/// What a fresh store has in common with ours.
struct Beginning {
  store::Env& env;
  store::PermTable& perms;
  store::Tree tree;  ///< with the initial permissions
  std::string boot_id;
  std::int64_t time_us = 0;
  std::optional<XenNow> xen{};  ///< nothing: there is none, and no rings
};

/// Where a C daemon writes the stream, and looks for it (H7): state_dump in $XENSTORED_RUNDIR, or
/// in /var/run/xenstored, whatever our own files say.
[[nodiscard]] std::string stream_path();

/// Reads the stream, writes the state as a checkpoint above everything the journal and the history
/// have (what they had is history from then on), and puts what was on its way into a wire area:
/// then a daemon starts from them just as after a kill. Nothing is changed before everything was
/// read. Call it before any thread that opens files is started, and before the supervisor runs.
///
/// Errors, after each of which the stream is still there, and the descriptors too: no stream, or
/// one that cannot be read; the directories are in use by another daemon, or cannot be written; no
/// memory for the area. Each with a note: a client whose descriptor is no socket, or with more on
/// its way than a slot holds, is left out; a ring with something on its way for which there is no
/// slot is frozen; ports are bound anew if the descriptor for events is none.
[[nodiscard]] process::StartResult<TakenOver> take_over(const config::Config& config,
                                                        Beginning beginning);

}  // namespace vxs::swap
