// The dispatcher: requests in, replies, events and journal records out. It does
// no I/O but through Journal, reads no clock but Clock, and takes no lock.
//
// One thread: the main thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/core/accounts.hh"
#include "daemon/core/clock.hh"
#include "daemon/core/connection.hh"
#include "daemon/core/control.hh"
#include "daemon/core/domains.hh"
#include "daemon/core/fairness.hh"
#include "daemon/core/lifecycle.hh"
#include "daemon/core/live_update.hh"
#include "daemon/core/observer.hh"
#include "daemon/core/replayed_events.hh"
#include "daemon/core/request.hh"
#include "daemon/core/rings.hh"
#include "daemon/core/state_trail.hh"
#include "daemon/core/watches.hh"
#include "protocol/wire.hh"
#include "store/journal/journal.hh"
#include "transactions/branch_set.hh"
#include "transactions/fired.hh"
#include "transactions/head.hh"

namespace vxs::daemon {

struct ServerOptions {
  /// Above every connection id of earlier runs.
  ConnectionId first_connection = 1;
  /// A socket with more events than this undelivered is closed (A14); a ring gets no more.
  std::size_t max_event_bytes = 16U << 20;
  transactions::PinLimits pins = {};
  LifecycleOptions lifecycle = {};
  /// D15: events that a guest has not begun to read in so long are dropped; 0: never.
  std::int64_t watch_event_us = 20'000'000;
  /// What the journal may take; 0: unknown, and guests have no shares of it.
  std::uint64_t journal_budget_bytes = 0;
};

/// The way to Xen and its guests; both nullptr without Xen. They outlive the Server.
struct Xen {
  Hypervisor* hypervisor = nullptr;
  Rings* rings = nullptr;
};

/// Counters for `CONTROL vxs-status` and tests.
struct ServerCounters {
  std::uint64_t requests = 0;
  std::uint64_t commits = 0;
  std::uint64_t merges = 0;
  std::uint64_t conflicts = 0;
  std::uint64_t events = 0;
  std::uint64_t refused_writes = 0;  ///< because the journal could not take them
  std::uint64_t rollbacks = 0;
  std::uint64_t expired_events = 0;  ///< D15
  std::uint64_t delayed_writes = 0;  ///< for the sake of a privileged transaction
};

class Server {
 public:
  /// All references must outlive the Server. `head` is the recovered tree and belongs to the Server
  /// from now on.
  Server(const ServerOptions& options, store::Journal& journal, Clock& clock,
         transactions::Head& head, Domains& domains, Observer& observer, Xen xen = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// A version of the tree and the record it came with.
  struct Version {
    Seq record_seq = 0;
    Seq head_seq = 0;
    store::Tree tree;
  };
  /// The newest version that is safe under the policy: what checkpoints and history may see.
  [[nodiscard]] Version safe_version() const;
  /// The journal went back to a Seq of which no version was kept (a defect of ours: it goes back to
  /// ends of passes only). The head stays what clients saw last, every write gets EIO, and nothing
  /// that names the journal's Seqs may be written of this state: no checkpoint, no published Seq.
  [[nodiscard]] bool astray() const noexcept { return astray_; }

  // --- transport side --------------------------------------------------------
  /// The connection lives until remove_connection().
  Connection& add_connection(Connection::Peer peer);
  void remove_connection(Connection& connection);
  /// True while a request may be handled: the last one's reply was released, and no quota makes it
  /// wait (G5, G6, E13).
  [[nodiscard]] bool ready_for(const Connection& connection) const noexcept {
    return !connection.pending && !connection.doomed && !connection.frozen && !connection.held &&
           !connection.parked && (connection.account == nullptr || connection.account->blocked() == 0);
  }
  /// May its ring begin anew? Not at will: each time is a record (A20).
  [[nodiscard]] bool may_reset(const Connection& connection) const noexcept {
    return connection.account == nullptr || (connection.account->blocked() & kPauseJournal) == 0;
  }
  /// Handles one request. REQUIRES ready_for(connection). Its output is in outboxes afterwards.
  void handle(Connection& connection, const protocol::Header& header, std::string_view payload);
  /// Puts socket connections that got output, were released or doomed since the last call into
  /// `out`, in place of what was there. Pointers are valid until the connection is removed.
  void take_dirty(std::vector<Connection*>& out);
  /// The same for ring connections; one that was frozen since is among them.
  void take_dirty_rings(std::vector<Connection*>& out);
  /// A17, J10: the ring of `connection` misbehaved, or is to have no more than it has. Drops its
  /// watches, transactions and queued output; it is not ready_for() anything, gets no event, and
  /// its domain stays introduced. Harmless for one that is frozen. REQUIRES peer().ring. Not from
  /// within handle() of the same connection.
  void freeze(Connection& connection);
  /// F3, A20: begins anew on the same ring: drops watches, transactions, queued output and what
  /// waits for the journal, thaws it. REQUIRES peer().ring; not from within its own handle().
  void reset_ring(Connection& connection);
  /// A number for a new connection, never used twice within a state directory.
  [[nodiscard]] ConnectionId new_connection_id() noexcept { return next_connection_++; }
  /// `id` is in use, by a connection of an earlier run.
  void note_connection_id(ConnectionId id) noexcept {
    next_connection_ = std::max(next_connection_, id + 1);
  }
  /// The number the next connection gets.
  [[nodiscard]] ConnectionId next_connection_id() const noexcept { return next_connection_; }

  // --- the loop's side -------------------------------------------------------
  /// What Xen says of all domains now, by ascending domid: for a VIRQ_DOM_EXC (F7).
  void scan_domains(std::span<const DomainInfo> now) { lifecycle_.scan(now); }
  void scan_domains() { lifecycle_.scan_now(); }
  /// End of a pass of the loop: carries out what was held and need not wait any longer, hands the
  /// journal what was appended, and releases what is safe.
  void end_of_pass();
  /// The journal says that more became safe, or that its thread failed.
  void journal_progressed();
  /// About once in a while (250 ms): moves old bases, tries a failing journal again. True if
  /// move_old_bases() is to be called soon.
  bool tick();
  /// Keeps open transactions from pinning memory, for a few milliseconds at most (BranchSet). True
  /// if too much is pinned still: call again in some 10 ms.
  bool move_old_bases();
  /// H6: while `held`, a connection without open transactions begins none; it waits. Those that
  /// waited begin in the next end_of_pass() after the end of it.
  void hold_starts(bool held) noexcept { starts_held_ = held; }
  /// Since when the connections that have open transactions have had one (monotonic).
  [[nodiscard]] std::vector<std::pair<const Connection*, std::int64_t>> open_transactions() const;
  /// After output was written, once per pass: pauses rings whose guests have to rest, and lets
  /// others go on. Cheap when nothing changed.
  void settle();
  /// When wake() is due (monotonic); nothing if nobody waits for the clock alone.
  [[nodiscard]] std::optional<std::int64_t> next_wake_us() const noexcept;
  /// Credits come in, and what is left of the journal is shared out. Held writes whose time has
  /// come are carried out by the next end_of_pass().
  void wake();

  /// At start, once, before anything else but record_start(): see Lifecycle::recover(). Then
  /// bury_the_dead(), after the connections that are resumed.
  void recover(const store::SystemState& state, std::span<const DomainInfo> now,
               const Lifecycle::AttachOwn& attach_own);
  void bury_the_dead();

  // --- connections that outlive the process (server_resume.cc) ----------------
  struct KeptSession {
    std::uint64_t handled = 0;  ///< requests answered
    TxId next_tx = 1;
    std::string_view log{};           ///< of its transactions (transactions/branch_log.hh)
    TransactionLog* go_on = nullptr;  ///< where they are logged from now on
  };
  /// A connection of an earlier process, with the watches of `state` and its open transactions.
  /// REQUIRES: after recover() and before the first request; peer.kept; its id is not in use.
  Connection& resume_connection(Connection::Peer peer, const store::SystemState& state,
                                const KeptSession& kept);
  /// The rest of it, for a connection that is there already with its watches: how far it was, and
  /// its open transactions. REQUIRES: what its caller may do is known (Connection::set_target()).
  void resume_session(Connection& connection, const KeptSession& kept);
  /// The request after the last one answered was carried out by the earlier process, which died
  /// before it could answer: answers it, without doing it again.
  void answer_carried_out(Connection& connection, const protocol::Header& header,
                          std::string_view payload, const store::CarriedOut& done);
  /// The request killed two processes in a row, or more: EIO, and the connection has to go (design
  /// §5).
  void refuse_poison(Connection& connection, const protocol::Header& header,
                     std::string_view payload, unsigned deaths = 2);
  /// The peer is gone: its session is none of the state any more. remove_connection() follows.
  void session_closed(Connection& connection);
  /// The same for those of `state` that did not outlive the last process.
  void forget_lost_sessions(const store::SystemState& state);
  /// Fires the events of a replayed record once more, after all connections are back: the last
  /// process may have died before they were in every outbox. Duplicates may come of it (D14).
  void fire_again(const ReplayedEvents& events);
  /// What counts as safe: the journal's safe_seq() when release() looked last. It moves nowhere
  /// else, for a thread raises the journal's at any moment, and who was found waiting at one look
  /// must not be forgotten at the next. Events of records up to it are in the outboxes.
  [[nodiscard]] Seq released_seq() const noexcept {
    return journal_.immediate() ? journal_.last_seq() : released_seq_;
  }

  // --- handlers' side --------------------------------------------------------
  [[nodiscard]] transactions::Head& head() noexcept { return head_; }
  [[nodiscard]] Domains& domains() noexcept { return domains_; }
  [[nodiscard]] Lifecycle& lifecycle() noexcept { return lifecycle_; }
  [[nodiscard]] Watches& watches() noexcept { return watches_; }
  /// For checkpoints: Lifecycle::begin_capture() of it, and piece by piece what it gathers.
  [[nodiscard]] SystemCapture& system_capture() noexcept { return capture_; }
  [[nodiscard]] Clock& clock() noexcept { return clock_; }
  [[nodiscard]] Observer& observer() noexcept { return observer_; }
  [[nodiscard]] const store::Journal& journal() const noexcept { return journal_; }
  [[nodiscard]] const ServerCounters& counters() const noexcept { return counters_; }
  /// nullptr if there is none.
  [[nodiscard]] Connection* find_connection(ConnectionId id) noexcept;
  [[nodiscard]] std::size_t connection_count() const noexcept { return connections_.size(); }
  [[nodiscard]] std::size_t branch_count() const noexcept { return branches_.size(); }
  [[nodiscard]] std::string& scratch() noexcept { return scratch_; }
  [[nodiscard]] std::string& path_scratch() noexcept { return path_scratch_; }
  [[nodiscard]] Control& control() noexcept { return control_; }
  [[nodiscard]] LiveUpdate& live_update() noexcept { return live_update_; }
  [[nodiscard]] Accounts& accounts() noexcept { return accounts_; }
  [[nodiscard]] const std::map<ConnectionId, std::unique_ptr<Connection>>& connections()
      const noexcept {
    return connections_;
  }

  /// Evaluates a store request outside or inside (request.branch) a transaction and commits what it
  /// does.
  [[nodiscard]] Reply run(const Request& request, const transactions::Operation& operation);
  [[nodiscard]] Reply start_transaction(Connection& connection);
  [[nodiscard]] Reply end_transaction(const Request& request, bool commit);
  void add_branch(Connection& connection, std::unique_ptr<transactions::Branch> branch);
  void drop_branch(Connection& connection, TxId id);
  void drop_branches(Connection& connection);
  /// What a record made by a request says of it: with kRequest it is carried out, and answered OK
  /// after a restart; after a kStep it still has to be done, and is handled again.
  enum class Completes : std::uint8_t { kRequest, kStep };
  /// Appends a change of the state beside the tree. Errors: kNospc, kIo when the journal refuses.
  [[nodiscard]] tl::expected<void, protocol::Error> record_state(const store::StateChange& change,
                                                                 Completes completes);
  /// A commit of the daemon's own, with its events. Errors: as record_state().
  [[nodiscard]] tl::expected<void, protocol::Error> commit_daemon(
      std::span<const store::Change> changes, std::string_view note);
  /// The same at the end of a pass: not from within a request.
  [[nodiscard]] tl::expected<void, protocol::Error> commit_own(
      std::span<const store::Change> changes, std::string_view note);
  /// The StartRecord of this run.
  [[nodiscard]] tl::expected<void, protocol::Error> record_start(std::string_view boot_id,
                                                                 std::uint64_t incarnation,
                                                                 std::string_view version,
                                                                 store::HistoryMark history = {});

  /// Sends the reply to a request, and remembers the request if the reply waits for the journal.
  void answer(const Request& request, const Reply& reply);
  void send_reply(Connection& connection, const protocol::Header& request, const Reply& reply);
  /// The reply to the request, with this header, that the connection was parked for.
  void answer_parked(Connection& connection, const protocol::Header& request, const Reply& reply);
  /// Queues an event for a watch; dropped if it would not fit a message (B9), merged by D14.
  void send_event(Watch& watch, std::string_view path, Seq required);

 private:
  /// handle() of a request that has its ordinal.
  void begin(Connection& connection, const protocol::Header& header, std::string_view payload);
  void dispatch(Connection& connection, const protocol::Header& header, std::string_view payload);
  // server_limits.cc
  void open_account(Connection& connection);
  bool starts_held_ = false;
  [[nodiscard]] bool hold_start(Connection& connection, const protocol::Header& header,
                                std::string_view payload);
  [[nodiscard]] bool hold(Connection& connection, const protocol::Header& header,
                          std::string_view payload);
  [[nodiscard]] std::optional<std::int64_t> has_to_wait(Connection& connection,
                                                        const protocol::Header& header,
                                                        std::string_view payload);
  void release_held();
  void forget_held(Connection& connection);
  void expire_events();
  void lost(Connection& connection, const transactions::Branch& branch,
            const transactions::Conflict& conflict);
  /// A record took so many bytes of the journal: charged to the guest that is being handled, or
  /// whose ring it is about, whatever kind of record it is.
  void charge(const store::Record& record, std::uint64_t bytes);
  [[nodiscard]] transactions::Answer execute(const Request& request,
                                             const transactions::Operation& operation);

  [[nodiscard]] tl::expected<Seq, protocol::Error> append(store::Record record, Seq seq);
  /// Makes an appended commit the head.
  void apply(std::span<const store::Change> changes, Seq seq, DomId author);
  [[nodiscard]] Reply commit_request(Connection& connection, std::span<const store::Change> changes,
                                     std::string_view ok);
  void fire(const std::vector<transactions::Fired>& fired, const store::Tree& before, Seq seq);
  void mark_dirty(Connection& connection);
  void overflow(Connection& connection);
  [[nodiscard]] std::vector<Connection*>& dirty_list(const Connection& connection) noexcept {
    return connection.peer().ring ? dirty_rings_ : dirty_;
  }
  /// What freeze() and reset_ring() have in common.
  void drop_session(Connection& connection);
  void forget_session(ConnectionId connection);
  /// Notes that the connection's output may depend on `required`.
  void mark_waiting(Connection& connection, Seq required);
  void keep_version();
  void release();
  void rollback(const store::IoError& cause);
  void answer_again(Connection& connection, protocol::Error error, Seq safe);
  [[nodiscard]] protocol::Error refuse(const store::IoError& cause);

  ServerOptions options_;
  store::Journal& journal_;
  Clock& clock_;
  transactions::Head& head_;
  Domains& domains_;
  Observer& observer_;
  Accounts accounts_;
  transactions::BranchSet branches_;
  LiveUpdate live_update_;
  Control control_;
  std::map<ConnectionId, std::unique_ptr<Connection>> connections_;
  SystemCapture capture_{connections_};
  Watches watches_{capture_};
  NoRings no_rings_;
  Rings& rings_;
  Lifecycle lifecycle_;
  StateTrail trail_;  ///< unless the journal is immediate
  ConnectionId next_connection_;
  std::vector<Connection*> dirty_;  ///< sockets
  std::vector<Connection*> dirty_rings_;
  std::vector<Connection*> waiting_;
  std::vector<Connection*> expiring_;
  std::vector<Connection*> held_;
  Guards guards_;
  store::RequestId current_;  ///< the request being dispatched, or none
  /// The request being handled, if it is a guest's, and whose it is.
  Cause cause_;
  const Connection* causer_ = nullptr;
  std::deque<Version> versions_;
  Seq released_seq_ = 0;
  ServerCounters counters_;
  bool refusing_ = false;  ///< writes are being refused; said once
  bool astray_ = false;

  // Reused by every request; their contents mean nothing between requests.
  std::vector<store::Change> changes_;
  std::vector<transactions::Fired> fired_;
  std::string scratch_;
  std::string path_scratch_;
};

}  // namespace vxs::daemon
