// Hot swap to a C daemon (conformance H5..H12; design §6; docs/state-stream.md): the state as its
// stream, and the order for the supervisor to become it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/config/config.hh"
#include "daemon/process/start_error.hh"
#include "daemon/supervisor/hand_over.hh"
#include "daemon/wire_area/wire_slot.hh"
#include "protocol/wire.hh"
#include "store/env.hh"
#include "store/journal/checkpoint.hh"
#include "store/migration/export_state.hh"
#include "store/system_state.hh"
#include "store/tree.hh"

namespace vxs::swap {

/// The command line of a C daemon that does what this one was configured to do, as far as it can:
/// what differs from its defaults, and -U. `command_line` (-c) replaces all of it but the program's
/// name; -U is added if it is not there.
[[nodiscard]] std::vector<std::string> stock_command(
    const config::Config& config, bool in_foreground, const std::string& file,
    const std::optional<std::string>& command_line);

/// Whether the program in `fd` reads streams of version 2: whether what C daemons that do so say of
/// other versions (since 4.21, with version 2) is in the file. False also if it cannot be read.
[[nodiscard]] bool reads_version_2(int fd);

/// What there is to give back, with nothing moving any more.
struct Estate {
  const config::Config& config;
  store::Env& env;
  const store::Tree& tree;
  const store::SystemState& system;
  /// Sockets have their descriptors' numbers at the supervisor, rings our ports.
  std::vector<store::migration::LiveConnection> connections;
  protocol::migration::Global descriptors;
  protocol::migration::Version version = protocol::migration::Version::k1;
};

/// Writes the stream where the C daemon looks for it (stream_path()), 0600. Errors: the disk; a
/// connection that no record can hold.
[[nodiscard]] process::StartResult<store::migration::Exported> write_stream(const Estate& estate);

/// Prepares the end of this state: an empty one above it, which holds as soon as the file has its
/// name. So a daemon that is started here one day finds an empty store, whose numbers go on, and
/// the state that was handed over is history. Returns the renaming that is left to do. `meta`:
/// seq is above everything the journal has.
[[nodiscard]] process::StartResult<std::pair<std::string, std::string>> prepare_end(
    store::Env& env, const std::string& journal_dir, const store::CheckpointMeta& meta,
    const store::Tree& empty);

/// Makes `requester` one whose request was answered: the request leaves its input, if it is at the
/// front of it, and OK is the last of its output (H5).
void answer_ok(const protocol::Header& request, store::migration::LiveConnection& requester);

}  // namespace vxs::swap
