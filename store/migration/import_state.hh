// From a state stream to our state (conformance H8..H12; docs/state-stream.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/migration/records.hh"
#include "protocol/migration/stream_reader.hh"
#include "store/migration/live_connection.hh"
#include "store/perm_set.hh"
#include "store/system_state.hh"
#include "store/tree.hh"

#include <tl/expected.hpp>

namespace vxs::store::migration {

/// More of one kind than this is no daemon's state.
inline constexpr std::size_t kMaxImportedConnections = 1U << 20;
inline constexpr std::size_t kMaxImportedWatches = 1U << 24;
inline constexpr std::size_t kMaxImportedNodes = 1U << 26;
inline constexpr std::size_t kMaxImportNotes = 1000;

struct ImportOptions {
  /// The generation of all nodes, and the incarnation of lives for which the stream has no unique
  /// id. What is recorded later has higher numbers. Not 0.
  Seq seq = 1;
  DomId store_domid = 0;  ///< the domain the daemon runs in: sockets act as it
  DomId control_domid = 0;
  std::uint32_t offered_features = 0;  ///< a domain with these had none set
  ConnectionId first_connection = 1;   ///< connections are numbered from here
};

struct Imported {
  protocol::migration::Version version = protocol::migration::Version::k1;
  protocol::migration::Global descriptors{};
  /// Handles, event channels of guests and frames are not in a stream: they are 0 here.
  SystemState system;
  std::vector<LiveConnection> connections;  ///< in the stream's order
  std::uint64_t nodes = 0;                  ///< the special ones not counted
  std::uint64_t watches = 0;
  /// Sentences: what was in the stream and is not here. At most kMaxImportNotes.
  std::vector<std::string> notes;
};

struct ImportError {
  std::uint64_t record = 0;  ///< counted from 1; 0: the stream's header
  std::uint64_t offset = 0;  ///< in the stream
  std::string message{};     ///< one sentence with both; what clients chose is escaped
};

/// Reads a whole stream into `tree`, which came with the initial permissions and keeps them where
/// the stream says nothing of "/" or the special nodes. Pure; one thread. On an error `tree` is as
/// it was.
///
/// Domains get known by their ring, by permissions that are not stale, and by a record of their
/// own; all of them are alive, introduced if they have a ring. Permissions of dom0, the store and
/// the control domain and of nobody in particular have incarnation 0. Passed over, with a note:
/// quotas and records nobody here knows, transactions and their nodes, special nodes other than the
/// two, a watch that is there twice, a watch whose depth xenstored 4.22 lost (it is taken with any
/// depth).
///
/// Errors: everything a StreamReader says; a record that needs another before it (a watch or node
/// of an unknown connection, a node without parent), anything twice (a connection's id, a domain's
/// ring, a node, a domain's record); a ring of a domid that is none; the limits above.
[[nodiscard]] tl::expected<Imported, ImportError> import_state(std::string_view stream,
                                                               const ImportOptions& options,
                                                               PermTable& perms, Tree& tree);

}  // namespace vxs::store::migration
