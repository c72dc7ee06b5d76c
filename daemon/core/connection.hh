// One client: who it is, what it watches, its transactions and what it is still
// to be sent. Knows no transport.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "daemon/core/account.hh"
#include "daemon/core/observed.hh"
#include "daemon/core/outbox.hh"
#include "daemon/core/transaction_log.hh"
#include "protocol/error.hh"
#include "protocol/ids.hh"
#include "protocol/wire.hh"
#include "store/record.hh"
#include "transactions/branch.hh"

namespace vxs::daemon {

class Connection;

/// A registered watch (conformance B9, D1..D4).
struct Watch {
  Connection* connection = nullptr;
  std::uint64_t number = 0;  ///< order of registration within the connection (D10)
  std::string path;          ///< canonical
  std::string token;
  std::optional<std::uint32_t> depth;
  /// What a relative watch does not see of a path: "/local/domain/<id>/".
  std::size_t hidden_prefix = 0;
};

/// Feature bits of the ring page and of GET_FEATURE (A19).
enum Feature : std::uint32_t {
  kFeatureReconnect = 1,
  kFeatureError = 2,
  kFeatureWatchDepth = 4,
  kFeatureDomIdAny = 8,
};
inline constexpr std::uint32_t kSocketFeatures = 14;
inline constexpr std::uint32_t kOfferedFeatures = 15;

class Connection {
 public:
  /// What is known of a peer.
  struct Peer {
    ConnectionId id = 0;
    transactions::Caller caller;
    std::int32_t pid = 0;  ///< SO_PEERCRED; 0: not a socket
    std::uint32_t uid = 0;
    std::string command;  ///< the peer's command name, from its first request on; any bytes
    std::uint32_t features = kSocketFeatures;
    bool ring = false;  ///< served by Rings, else by SocketServer
    /// Its session outlives the process: its watches are records of the journal (design §6). So it
    /// is with every ring.
    bool kept = false;
  };

  explicit Connection(Peer peer) : peer_(std::move(peer)) { peer_.kept |= peer_.ring; }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] const Peer& peer() const noexcept { return peer_; }
  [[nodiscard]] ConnectionId id() const noexcept { return peer_.id; }
  [[nodiscard]] const transactions::Caller& caller() const noexcept { return peer_.caller; }
  /// SET_TARGET: the guest this one may act for from now on; kDomIdInvalid: nobody.
  void set_target(DomId target, Incarnation incarnation) noexcept {
    peer_.caller.target = target;
    peer_.caller.target_incarnation = incarnation;
  }
  [[nodiscard]] bool has_feature(Feature bit) const noexcept { return (peer_.features & bit) != 0; }
  [[nodiscard]] store::Origin origin() const noexcept {
    return store::Origin{.domid = peer_.caller.domid,
                         .incarnation = peer_.caller.incarnation,
                         .connection = peer_.id,
                         .pid = peer_.pid,
                         .uid = peer_.uid,
                         .command = peer_.command,
                         .ordinal = ordinal};
  }
  /// The peer's command name, once it is known.
  void set_command(std::string command) { peer_.command = std::move(command); }
  /// "dom0 connection 7 (pid 123 xl)", escaped: for logs.
  [[nodiscard]] std::string describe() const;

  Outbox outbox;

  // --- owned by the Server -------------------------------------------------
  /// Requests begun; the number of the one being handled, or handled last.
  std::uint64_t ordinal = 0;
  std::map<TxId, std::unique_ptr<transactions::Branch>> branches;
  /// nullptr: its transactions end with the process.
  TransactionLog* log = nullptr;
  TxId next_tx = 1;
  /// By path, NUL and token: one client may register thousands.
  std::unordered_map<std::string, Watch> watches;
  std::uint64_t next_watch = 0;
  /// Set when the connection must go; the transport closes it. A ring is frozen instead.
  bool doomed = false;
  /// A ring that misbehaved: neither read nor written until it is introduced or connected anew
  /// (A17, A18). Set by Server::freeze(), cleared by Server::reset_ring().
  bool frozen = false;
  /// Hears of nothing more: its domain is dead, or being taken away (F6).
  bool deaf = false;
  /// A ConnectionReset{frozen} that the journal could not take; it comes before any other record of
  /// this connection.
  std::optional<bool> owed_reset;
  /// Its last request is answered later, by Server::answer_parked() or by the next process, which
  /// finds the request unanswered; no further one is begun before it.
  bool parked = false;
  /// Already on the list of connections with something to send.
  bool dirty = false;
  /// Already on the list of connections with something that waits for the journal.
  bool waiting = false;

  /// The request whose reply waits for its record; no further one is begun before it is released.
  /// It is what a rollback has to answer anew.
  struct Pending {
    protocol::Header header;
    std::string payload;  ///< of the request
    bool ok = false;      ///< the reply: its data, or its error
    protocol::Error error = protocol::Error::kInval;
    std::string data;
    bool wrote = false;  ///< it appended a record
    Seq required = 0;
  };
  std::optional<Pending> pending;

  // --- quotas and fairness ---------------------------------------------------
  /// What a guest with a ring uses; nullptr for all that nothing limits (G1).
  std::shared_ptr<Account> account;
  /// A write of a guest that waits for a privileged transaction (design §4), or a transaction that
  /// is not to begin now (H6); no further request is begun before it.
  struct Held {
    protocol::Header header;
    std::string payload;
    std::int64_t until_us = 0;
    bool start = false;  ///< a transaction: until Server::hold_starts() ends
  };
  std::optional<Held> held;
  /// On the list of those whose events may expire (D15).
  bool expiring = false;
  /// Privileged: transactions in a row that lost, and what the last of them observed.
  unsigned losses = 0;
  std::shared_ptr<const Observed> observed;

 private:
  Peer peer_;
};

}  // namespace vxs::daemon
