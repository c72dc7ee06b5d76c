// The daemon put together: recovery, server, loop, threads. What main() runs.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/app/checkpointer.hh"
#include "daemon/app/hash_ahead.hh"
#include "daemon/app/history_line.hh"
#include "daemon/app/live_updater.hh"
#include "daemon/app/poison_bundles.hh"
#include "daemon/app/start_times.hh"
#include "daemon/app/state_ahead.hh"
#include "daemon/app/update_note.hh"
#include "daemon/config/config.hh"
#include "daemon/core/clock.hh"
#include "daemon/core/domains.hh"
#include "daemon/core/log_observer.hh"
#include "daemon/core/server.hh"
#include "daemon/history/history_thread.hh"
#include "daemon/hypervisor/hypervisor.hh"
#include "daemon/keeper/keeper.hh"
#include "daemon/logging/trace_file.hh"
#include "daemon/loop/event_loop.hh"
#include "daemon/loop/kept_connections.hh"
#include "daemon/loop/socket_server.hh"
#include "daemon/process/instance.hh"
#include "daemon/process/notify.hh"
#include "daemon/process/start_error.hh"
#include "daemon/rings/ring_server.hh"
#include "store/env.hh"
#include "store/journal/journal.hh"
#include "transactions/head.hh"

namespace vxs::daemon {

class Daemon {
 public:
  /// Everything until requests can be answered: recovers the state, opens the trace. `xen_present`:
  /// guests are to be served. `inheritance`: of `keeper`, the supervisor, which may be nullptr:
  /// connections end with the process then. It outlives this object. Errors: a sentence for the
  /// operator; the process exits 1. `times` is told of each step. `ahead`: what was read before, if
  /// anything was.
  [[nodiscard]] static process::StartResult<std::unique_ptr<Daemon>> create(
      const config::Config& config, bool xen_present, int listen_fd, StartTimes& times,
      keeper::Keeper* keeper = nullptr, keeper::Inheritance inheritance = {},
      std::unique_ptr<StateAhead> ahead = nullptr);
  ~Daemon();

  /// The pid that signals go to has changed: another supervisor took over. For the pid file.
  void on_replaced(std::function<void(pid_t)> tell) { tell_pid_ = std::move(tell); }

  /// Serves until SIGTERM or SIGINT, then drains, writes a checkpoint and lets history catch up.
  void run();

 private:
  Daemon(const config::Config& config, int listen_fd, keeper::Keeper* keeper,
         std::unique_ptr<StateAhead> ahead);

  /// The connections of the process before, and their memory.
  process::StartResult<void> open_connections(keeper::Inheritance& inheritance);
  /// The descriptor of event channels, which outlives the process too.
  [[nodiscard]] static process::Descriptor take_events(keeper::Inheritance& inheritance);
  void keep_events();
  /// What was recovered is not the state that those connections knew.
  [[nodiscard]] bool state_is_lost() const;
  void resume_connections();
  void start_keeper();

  // daemon_update.cc
  /// True until this program, the new one of a live update, may change anything.
  [[nodiscard]] bool on_trial() const noexcept {
    return update_role_ == keeper::UpdateRole::kTrial && !update_confirmed_;
  }
  process::StartResult<void> take_update_note(keeper::Inheritance& inheritance);
  [[nodiscard]] tl::expected<void, std::string> confirm_update(const store::Tree& tree,
                                                               const store::RecoveryReport& report);
  void trust_ahead(std::span<const DomainInfo> now, const store::RecoveryReport& report);
  void take_update_outcome();
  void forget_update_note();
  void say_update_pause();
  [[nodiscard]] std::string update_obstacle() const;
  [[nodiscard]] tl::expected<UpdateNote, std::string> stop_for_update();
  void prepare_updates();
  void prepare_hot_swap();
  [[nodiscard]] std::optional<std::string> come_to_rest();

  /// Sockets act for a domain that is not the control domain (A4).
  [[nodiscard]] bool split() const noexcept { return !domains_.sockets_privileged(); }
  /// --xen auto that finds Xen closed to us serves sockets only.
  process::StartResult<void> open_xen(keeper::Inheritance& inheritance);
  process::StartResult<void> recover(bool xen_present);
  process::StartResult<void> open_journal(store::JournalOptions& options);
  [[nodiscard]] std::string_view after_moving_away() const;
  [[nodiscard]] std::optional<HistoryLine> find_history();
  /// The history is of another time: it goes on from the state as it is.
  process::StartResult<void> leave_history_behind(store::JournalOptions& options);
  /// Leaves a checkpoint to be opened; where the disk does not take it, journal_ and head_.
  process::StartResult<void> recover_from_history(const store::JournalOptions& options);
  void serve_unwritten(const store::JournalOptions& options, Seq seq, store::Tree tree,
                       const store::IoError& error);
  [[nodiscard]] bool has_history() const { return config_.history && !history_barred_; }
  process::StartResult<void> begin(StartTimes& times);
  /// Rings and domains as they were, as far as they still are.
  process::StartResult<void> recover_domains();
  void handle_signals();
  void start_history();
  void add_control_commands();
  void one_pass();
  void flush();
  void set_alarm();
  void housekeeping();
  void after_checkpoint(Seq seq, const store::IoResult<void>& result);
  void checkpoint_if_due();
  [[nodiscard]] bool checkpoint_is_due() const;
  void start_checkpoint();
  void tell_checkpointer();
  [[nodiscard]] store::CheckpointMeta checkpoint_meta(Seq seq, bool clean);
  void wait_until_safe();
  /// Tells the supervisor, where the loop does not run for a while.
  void say_alive();
  void shut_down();
  void finish_rings();
  void keep_poison(const Connection& connection, const protocol::Header& header,
                   std::string_view payload);

  config::Config config_;
  int listen_fd_;
  std::unique_ptr<store::Env> env_;
  SystemClock clock_;
  std::unique_ptr<StateAhead> ahead_;  ///< the two below; its checkpoint goes after recovery
  store::PermTable& perms_;
  store::TreeStats& stats_;
  logging::TraceFile trace_;
  LogObserver observer_;
  PoisonBundles poison_;
  std::string died_of_;  ///< the daemon before
  Domains domains_;
  EventLoop loop_;
  std::vector<Interest> signals_;
  Interest pins_;
  Interest wake_;
  std::optional<std::int64_t> wake_at_;
  std::string boot_id_;
  store::RecoveryReport report_;
  std::unique_ptr<store::Journal> journal_;
  std::unique_ptr<transactions::Head> head_;
  std::unique_ptr<Hypervisor> hypervisor_;  ///< none without Xen
  std::unique_ptr<RingServer> rings_;
  keeper::Keeper* keeper_;
  std::function<void(pid_t)> tell_pid_;
  std::unique_ptr<KeptConnections> kept_;     ///< none: connections are volatile
  std::unique_ptr<ReplayedEvents> replayed_;  ///< from recovery until they are fired again
  RingBeginnings beginnings_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<SocketServer> sockets_;
  std::unique_ptr<Checkpointer> checkpointer_;
  std::uint64_t checkpoint_rollbacks_ = 0;  ///< the server's when the running one was begun
  Seq flushed_seq_ = 0;  ///< what records up to this one made known is in the outboxes
  std::unique_ptr<HistoryThread> history_;
  /// What the history thread reads while it writes a whole tree.
  std::optional<store::Tree> history_pin_;
  keeper::UpdateRole update_role_ = keeper::UpdateRole::kNone;
  bool update_confirmed_ = false;  ///< the supervisor knows that this program goes on
  process::Descriptor update_fd_;
  std::optional<UpdateNote> update_note_;  ///< of an update that has led to this start
  /// Of an update that is prepared; its end wakes the loop, for that update goes on then.
  HashAhead hash_ahead_{[this] { loop_.post([this] { hash_ahead_.tidy(); }); }};
  std::unique_ptr<LiveUpdater> updater_;
  std::unique_ptr<HotSwap> hot_swap_;  ///< none where connections are volatile
  std::uint64_t starts_ = 0;
  Seq history_border_ = 0;
  Seq history_taken_at_ = 0;
  bool resumed_ = false;  ///< the connections of before are there, to hear of domains
  store::HistoryMark history_mark_;
  Seq history_newest_ = 0;
  /// The history is of another time: how many records it was not kept of.
  std::optional<std::uint64_t> history_not_kept_;
  bool history_barred_ = false;          ///< at this start: the state has numbers that it has, too
  bool renumbered_ = false;              ///< at this start, above what the history has
  Seq checkpoint_seq_ = 0;               ///< of the newest checkpoint
  std::int64_t checkpoint_from_us_ = 0;  ///< none becomes due before
  std::size_t old_segments_ = 0;         ///< of earlier starts that no checkpoint of ours covers
  std::int64_t alive_due_us_ = 0;        ///< the next say_alive() that says it
  bool stopping_ = false;
};

}  // namespace vxs::daemon
