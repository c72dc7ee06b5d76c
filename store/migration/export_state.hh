// From our state to a state stream (conformance H8..H11; docs/state-stream.md).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/migration/records.hh"
#include "store/migration/live_connection.hh"
#include "store/migration/loss.hh"
#include "store/system_state.hh"
#include "store/tree.hh"

#include <tl/expected.hpp>

namespace vxs::store::migration {

struct ExportOptions {
  protocol::migration::Version version = protocol::migration::Version::k2;
  protocol::migration::Global descriptors{};
  DomId store_domid = 0;               ///< the domain the daemon runs in: sockets act as it
  std::uint32_t offered_features = 0;  ///< of domains for which none were set
};

struct Exported {
  std::uint64_t nodes = 0;  ///< the special ones not counted
  std::uint64_t connections = 0;
  std::uint64_t watches = 0;
  std::uint64_t domains = 0;  ///< records of them
  std::vector<Loss> losses;   ///< by connection and domain
};

/// Takes a piece of the stream. False: it could not be kept, and the export ends.
using StreamSink = std::function<bool(std::string_view)>;

struct ExportError {
  bool sink_failed = false;
  std::string message;  ///< one sentence, what clients chose escaped
};

/// Writes the whole stream to `sink` in pieces of some 64 KiB. Pure but for the sink; one thread.
///
/// `connections` are those that go on, in the order the other daemon is to have them; a ring's
/// domain is introduced in `system`. The store domain's ring is written in any case, without a port
/// if it is not among them: xenstored before 4.22 makes the node "/" with it and takes no other.
/// Of `system` go: the watches of these connections (by their number), targets and unique ids,
/// domains with features and quotas where the stream may name them, global quotas. Permissions of
/// former lives are marked stale. Shutdowns seen, frozen rings and generations have no place in a
/// stream; the other daemon finds the former out by itself.
///
/// Errors: the sink's, and a node or connection no record can hold (a value over 65535 bytes).
[[nodiscard]] tl::expected<Exported, ExportError> export_state(
    const Tree& tree, const SystemState& system, std::span<const LiveConnection> connections,
    const ExportOptions& options, const StreamSink& sink);

/// The rings of `system` when there is no process to ask: in the order of their numbers, without
/// ports, nothing on its way.
[[nodiscard]] std::vector<LiveConnection> rings_of(const SystemState& system);

}  // namespace vxs::store::migration
