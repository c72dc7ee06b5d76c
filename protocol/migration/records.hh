// The records of a state stream as values (conformance H8..H11; upstream's
// docs/designs/xenstore-migration.md).
//
// Strings and lists are views: into the stream for what a StreamReader gives (lists: into the
// reader, until its next record), into the caller's memory for what a StreamWriter is given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "protocol/ids.hh"
#include "protocol/permissions.hh"

namespace vxs::protocol::migration {

enum class Version : std::uint8_t {
  k1 = 1,
  k2 = 2,  ///< and the depth of watches, the features of domains
};

enum class RecordType : std::uint32_t {
  kEnd = 0,
  kGlobal = 1,
  kConnection = 2,
  kWatch = 3,
  kTransaction = 4,
  kNode = 5,
  kGlobalQuota = 6,
  kDomain = 7,
  kWatchExtended = 8,
};

/// "GLOBAL_DATA" and so on, as upstream's document names them; "UNKNOWN" for other numbers.
[[nodiscard]] std::string_view record_name(std::uint32_t type) noexcept;

/// Descriptors of the process that goes on, -1: none.
struct Global {
  std::int32_t socket_fd = -1;
  std::int32_t event_fd = -1;
  friend bool operator==(const Global&, const Global&) = default;
};

struct RingSpec {
  DomId domid = 0;
  DomId target = kDomIdInvalid;  ///< kDomIdInvalid: none
  /// The daemon's own port, in the event-channel handle Global names.
  std::uint32_t local_port = 0;
  friend bool operator==(const RingSpec&, const RingSpec&) = default;
};

struct SocketSpec {
  std::int32_t fd = -1;
  friend bool operator==(const SocketSpec&, const SocketSpec&) = default;
};

struct Connection {
  std::uint32_t id = 0;  ///< never 0; what other records call the connection
  std::variant<RingSpec, SocketSpec> spec{};
  std::string_view input{};  ///< read and not handled: whole requests that wait, then a part of one
  std::string_view output{};  ///< not sent: frames, the first of which may have been sent in part
  /// How much at the front of `output` is the rest of such a frame; at most its size.
  std::uint16_t partial = 0;
  std::optional<std::uint64_t> unique_id{};  ///< Xen's, of the ring's domain
  friend bool operator==(const Connection&, const Connection&) = default;
};

/// How a record of an extended watch was laid out; see watch_layout.hh.
enum class WatchLayout : std::uint8_t {
  kSpecified,  ///< the path at offset 12, which is what is written here
  kCut,        ///< at offset 8, by xenstored 4.22: the depth is lost
  kUnpadded,   ///< at offset 10, where xenstored 4.22 looks for it
};

struct Watch {
  std::uint32_t connection = 0;
  std::string_view path{};   ///< as the client wrote it: relative, absolute or special
  std::string_view token{};  ///< any bytes but NUL
  /// Levels below the path; nothing: all. Version 2 only.
  std::optional<std::uint16_t> depth{};
  WatchLayout layout = WatchLayout::kSpecified;
  friend bool operator==(const Watch&, const Watch&) = default;
};

/// Never written, and read past by every daemon: transactions do not survive in a stream.
struct Transaction {
  std::uint32_t connection = 0;
  TxId id = 0;
  friend bool operator==(const Transaction&, const Transaction&) = default;
};

struct NodePerm {
  DomId domid = 0;
  Access access = Access::kNone;
  bool stale = false;  ///< about a former life of the domid: grants nothing
  friend bool operator==(const NodePerm&, const NodePerm&) = default;
};

struct Node {
  std::uint32_t connection = 0;       ///< 0: a node of the store, else of that one's transaction
  TxId transaction = 0;               ///< meaningless if connection is 0
  std::uint16_t access = 0;           ///< the same
  std::span<const NodePerm> perms{};  ///< the owner first; never empty if connection is 0
  std::string_view path{};            ///< canonical, or a special name
  std::string_view value{};           ///< any bytes
};

struct QuotaValue {
  std::string_view name{};  ///< never empty; perhaps one nobody here knows
  std::uint32_t value = 0;  ///< 0: unlimited
  friend bool operator==(const QuotaValue&, const QuotaValue&) = default;
};

struct GlobalQuota {
  std::span<const QuotaValue> domain{};  ///< defaults of each domain
  std::span<const QuotaValue> global{};  ///< of all together
};

struct Domain {
  DomId domid = 0;
  std::optional<std::uint32_t> features{};  ///< nothing in version 1
  std::span<const QuotaValue> quotas{};
};

struct End {
  friend bool operator==(const End&, const End&) = default;
};

/// Of a type that is reserved today.
struct Unknown {
  std::uint32_t type = 0;
  friend bool operator==(const Unknown&, const Unknown&) = default;
};

using Record =
    std::variant<End, Global, Connection, Watch, Transaction, Node, GlobalQuota, Domain, Unknown>;

/// Two records of the same content, wherever their lists lie.
[[nodiscard]] bool operator==(const Node& a, const Node& b) noexcept;
[[nodiscard]] bool operator==(const GlobalQuota& a, const GlobalQuota& b) noexcept;
[[nodiscard]] bool operator==(const Domain& a, const Domain& b) noexcept;

inline constexpr std::size_t kStreamHeaderBytes = 16;
inline constexpr std::size_t kRecordHeaderBytes = 8;
/// No record may be longer. The longest that is not a connection's has less than 1 MiB.
inline constexpr std::uint32_t kMaxBodyBytes = std::uint32_t{1} << 28;
/// The longest path of a node or watch: what a request can name, below /local/domain/<n>/.
inline constexpr std::size_t kMaxStreamPath = 4096 + 32;
/// In a record of an extended watch: any depth.
inline constexpr std::uint16_t kUnlimitedDepth = 0xFFFF;

}  // namespace vxs::protocol::migration
