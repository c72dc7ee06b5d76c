#include "daemon/app/daemon.hh"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include "daemon/app/host.hh"
#include "daemon/app/initial_tree.hh"
#include "daemon/app/log_commands.hh"
#include "daemon/app/version.hh"
#include "daemon/hypervisor/xen_hypervisor.hh"

namespace vxs::daemon {
namespace {

constexpr std::int64_t kHousekeepingUs = 250'000;
/// While open transactions pin too much.
constexpr std::int64_t kPinsUs = 10'000;
constexpr std::int64_t kHistoryPatienceMs = 5000;
constexpr std::int64_t kSyncPatienceUs = 2'000'000;
/// For guests to read their replies, and to end what they have begun, before a stop.
constexpr std::int64_t kRingPatienceUs = 200'000;
/// A checkpoint is due when replaying the journal since the last one would take long to start with.
constexpr std::uint64_t kCheckpointBytes = 32U << 20;

/// How the daemon before ended, as wait(2) tells.
std::string describe_end(int status) {
  if (WIFSIGNALED(status)) return fmt::format("a death of signal {}", WTERMSIG(status));
  return fmt::format("an end with status {}", WEXITSTATUS(status));
}

}  // namespace

Daemon::Daemon(const config::Config& config, int listen_fd, keeper::Keeper* keeper)
    : config_(config),
      listen_fd_(listen_fd),
      env_(store::make_posix_env()),
      trace_(config.log_dir),
      observer_(trace_, clock_),
      domains_(config.store_domid, config.quotas, config.control_domid),
      boot_id_(boot_id()),
      keeper_(keeper) {}

Daemon::~Daemon() {
  history_.reset();
  checkpointer_.reset();
  sockets_.reset();
  rings_.reset();
  server_.reset();
  head_.reset();
}

process::StartResult<std::unique_ptr<Daemon>> Daemon::create(const config::Config& config,
                                                             bool xen_present, int listen_fd,
                                                             keeper::Keeper* keeper,
                                                             keeper::Inheritance inheritance) {
  std::unique_ptr<Daemon> daemon(new Daemon(config, listen_fd, keeper));
  if (xen_present) {
    if (const auto opened = daemon->open_xen(); !opened) return tl::unexpected(opened.error());
  }
  daemon->open_connections(inheritance);
  const auto recovered = daemon->recover(daemon->hypervisor_ != nullptr);
  if (!recovered) return tl::unexpected(recovered.error());
  const auto begun = daemon->begin();
  if (!begun) return tl::unexpected(begun.error());
  return daemon;
}

// --- Xen ---------------------------------------------------------------------

process::StartResult<void> Daemon::open_xen() {
  XenHypervisor::Paths paths;
  // In a split store --event is about the control domain's ring.
  if (!split()) paths.port = config_.own_event;
  auto opened = XenHypervisor::open(std::move(paths));
  if (!opened) {
    if (config_.xen == config::XenMode::kOn) {
      return process::start_error(fmt::format("--xen on: {}", opened.error()));
    }
    spdlog::warn("{}; serving sockets only", opened.error());
    return {};
  }
  hypervisor_ = std::move(*opened);
  rings_ = std::make_unique<RingServer>(loop_, *hypervisor_);
  return {};
}

process::StartResult<void> Daemon::recover_domains() {
  if (!hypervisor_) {
    server_->recover(report_.system, {}, {});
    return {};
  }
  rings_->start(*server_);
  const auto now = hypervisor_->domains();
  if (!now) {
    return process::start_error(
        fmt::format("Xen cannot say which domains there are: {}", std::strerror(now.error())),
        now.error());
  }
  server_->recover(report_.system, *now,
                   [this] { return rings_->attach_own(config_.store_domid); });
  const auto watching = rings_->watch_domains([this] { server_->scan_domains(); });
  if (!watching) {
    return process::start_error(
        fmt::format("the event of domains that end (VIRQ_DOM_EXC) cannot be bound: {}; is another "
                    "xenstored running?",
                    std::strerror(watching.error())),
        watching.error());
  }
  spdlog::info("serving {} rings of {} domains", rings_->ring_count(), now->size());
  return {};
}

// --- kept connections --------------------------------------------------------

void Daemon::open_connections(keeper::Inheritance& inheritance) {
  if (!config_.keep_connections) {
    if (keeper_ != nullptr) KeptConnections::forget_all(*keeper_, inheritance);
    return;
  }
  if (keeper_ == nullptr) {
    spdlog::warn(
        "no supervisor: clients lose their connections when this daemon ends. Start it as "
        "\"vxenstored-supervise -- vxenstored -N ...\", or say --connections volatile");
    return;
  }
  auto kept = KeptConnections::open(*keeper_, inheritance);
  if (!kept) {
    spdlog::error("clients lose their connections when this daemon ends: {}", kept.error());
    KeptConnections::forget_all(*keeper_, inheritance);
    return;
  }
  kept_ = std::move(*kept);
  if (kept_->restarts() == 0) return;
  spdlog::info("taking up {} connections after {}", kept_->open_count(),
               describe_end(inheritance.previous_status));
  replayed_ = std::make_unique<ReplayedEvents>(config_.control_domid);
}

/// After rings and domains: what a client's last request did may concern them.
void Daemon::resume_connections() {
  if (kept_) {
    const bool lost = report_.fresh || history_taken_at_ != 0 || !report_.damage.empty();
    const std::size_t closed = lost ? kept_->forget_all() : 0;
    if (closed > 0) {
      spdlog::error("closing {} connections: the state they knew is not what was recovered",
                    closed);
    }
    sockets_->resume(report_);
    if (replayed_) server_->fire_again(*replayed_);
    replayed_.reset();
  }
  server_->forget_lost_sessions(report_.system);
  server_->end_of_pass();
  flush();
}

void Daemon::start_keeper() {
  keeper_->start(
      loop_, {.accepted =
                  [this](const std::string& name, process::Descriptor fd) {
                    const auto number = KeptConnections::client_number(name);
                    if (!kept_ || !number) keeper_->release(name);
                    if (number) sockets_->accepted(*number, std::move(fd));
                  },
              .died =
                  [](bool successor) {
                    successor ? spdlog::error("the supervisor died; another one is started")
                              : spdlog::error("the supervisor died: nobody accepts new clients");
                  },
              .replaced =
                  [this] {
                    spdlog::info("supervisor {} took over", keeper_->supervisor_pid());
                    if (tell_pid_) tell_pid_(keeper_->supervisor_pid());
                  }});
}

// --- recovery ----------------------------------------------------------------

process::StartResult<void> Daemon::recover(bool xen_present) {
  store::JournalOptions options;
  options.directory = config_.journal_dir;
  options.durability = config_.durability;
  options.budget_bytes = config_.journal_budget_bytes;
  // A segment counts whole from its beginning: a small budget is of small ones, or the first would
  // look like a journal that is full.
  options.segment_bytes = std::min(options.segment_bytes, config_.journal_budget_bytes / 16);
  options.boot_id = boot_id_;
  options.keep_after_reboot = config_.keep_after_reboot(xen_present);

  if (auto opened = open_journal(options); !opened) return opened;
  if (history_is_needed()) {
    journal_.reset();
    head_.reset();
    if (auto prepared = recover_from_history(options); !prepared) return prepared;
    if (auto opened = open_journal(options); !opened) return opened;
    report_.fresh = !options.keep_after_reboot;
  }
  for (const auto& note : report_.notes) spdlog::warn("recovery: {}", note);
  spdlog::info("recovered {} nodes at Seq {} (checkpoint {}, {} records replayed, {} bytes cut)",
               head_->tree().node_count(), report_.last_seq, report_.checkpoint_seq,
               report_.records_replayed, report_.bytes_cut);
  return {};
}

process::StartResult<void> Daemon::open_journal(store::JournalOptions& options) {
  store::Tree tree = initial_tree(stats_, perms_, config_.control_domid);
  report_ = {};
  store::ReplayHook replay;
  if (replayed_) {
    replayed_ = std::make_unique<ReplayedEvents>(config_.control_domid);  // a second try
    replay.from = kept_->published_seq();
    replay.tell = [this](const store::ReplayedRecord& record) { replayed_->add(record); };
  }
  auto journal = store::open_journal(
      *env_, options, perms_, tree, report_,
      [this] { loop_.post([this] { server_->journal_progressed(); }); }, {}, replay);
  if (!journal) {
    if (journal.error().kind != store::JournalError::Kind::kDamaged || options.accept_damage) {
      return process::start_error(journal.error().message);
    }
    options.accept_damage = true;
    return open_journal(options);
  }
  journal_ = std::move(*journal);
  head_ =
      std::make_unique<transactions::Head>(stats_, perms_, std::move(tree), journal_->last_seq());
  if (!report_.damage.empty()) {
    spdlog::error(
        "THE JOURNAL IS DAMAGED: {}. Serving reads of the state at Seq {}, before the "
        "damage; every write is refused with EIO and nothing in {} is changed. `vxs fsck` says "
        "what is wrong; to go on for good, move that directory away and start again: {}",
        report_.damage, report_.last_seq, config_.journal_dir, after_moving_away());
  }
  return {};
}

/// What a start finds when the damaged journal's directory is gone.
std::string_view Daemon::after_moving_away() const {
  if (!config_.history || !env_->exists(config_.history_dir())) {
    return "the store then begins empty, for there is no history to take it from: save what you "
           "need first";
  }
  if (!config_.keep_after_reboot(hypervisor_ != nullptr)) {
    return "the store then begins empty, or with --after-reboot keep as the history has it";
  }
  return "the state then comes from the history";
}

/// Git is the fallback (design §5): when there is neither journal nor checkpoint, and when they end
/// before it does (--durability memory after a kill, a power cut): numbers are never given out
/// twice, and what history has was acknowledged.
bool Daemon::history_is_needed() const {
  if (!config_.history || !report_.damage.empty()) return false;
  if (report_.fresh) return env_->exists(config_.history_dir());
  const auto newest = store::newest_history_seq(*env_, config_.history_dir());
  if (!newest || *newest <= journal_->last_seq()) return false;
  spdlog::warn("journal and checkpoints end at Seq {}, the history at {}", journal_->last_seq(),
               *newest);
  return true;
}

process::StartResult<void> Daemon::recover_from_history(const store::JournalOptions& options) {
  store::Tree tree = initial_tree(stats_, perms_, config_.control_domid);
  std::vector<std::string> missing;
  const std::string_view why = report_.fresh ? "no journal and no checkpoint found"
                                             : "the journal does not have the newest records";
  const auto seq = store::load_tree_from_history(config_.history_dir(), perms_, tree, missing);
  if (!seq) {
    spdlog::warn("{}, and the history cannot be read ({}); going on without it", why,
                 seq.error().message);
    return {};
  }
  if (*seq == 0) return {};
  if (options.keep_after_reboot) {
    spdlog::warn(
        "{}: tree and permissions are those of the newest commit in {}; generations begin at {}",
        why, config_.history_dir(), *seq);
    for (const auto& path : missing) spdlog::warn("history does not have the value of {}", path);
  } else {
    tree = initial_tree(stats_, perms_, config_.control_domid);
  }
  history_taken_at_ = options.keep_after_reboot ? *seq : 0;
  const auto written =
      store::write_checkpoint(*env_, config_.journal_dir,
                              store::CheckpointMeta{.seq = *seq,
                                                    .time_us = clock_.wall_us(),
                                                    .boot_id = boot_id_,
                                                    .starts = report_.starts,
                                                    .last_connection = report_.last_connection},
                              tree, report_.system);
  if (!written) return process::start_error(written.error().what, written.error().code);
  return {};
}

void Daemon::handle_signals() {
  const auto on = [this](int number, EventLoop::Callback callback) {
    signals_.push_back(loop_.signal(number, std::move(callback)));
    signals_.back().enable();
  };
  on(SIGTERM, [this] { stopping_ = true; });
  on(SIGINT, [this] { stopping_ = true; });
  on(SIGHUP, [this] {
    if (const auto reopened = trace_.reopen(); !reopened) {
      spdlog::warn("the trace file {} could not be opened again; tracing is off", trace_.file());
    }
    observer_.trace_changed();
  });
}

process::StartResult<void> Daemon::begin() {
  // Before anybody can know our pid: a signal must not end us half-way.
  handle_signals();
  ServerOptions options;
  options.first_connection = report_.last_connection + 1;
  options.lifecycle.keep_orphans = config_.keep_orphans;
  if (split()) options.lifecycle.control_port = config_.own_event;
  options.watch_event_us =
      std::chrono::duration_cast<std::chrono::microseconds>(config_.watch_event_timeout).count();
  options.journal_budget_bytes = config_.journal_budget_bytes;
  server_ = std::make_unique<Server>(options, *journal_, clock_, *head_, domains_, observer_,
                                     Xen{.hypervisor = hypervisor_.get(), .rings = rings_.get()});
  starts_ = report_.starts + 1;
  history_border_ = 0;
  const bool empty = head_->tree().node_count() == 1 && head_->tree().root().generation() == 0;
  if (const auto recorded = server_->record_start(boot_id_, starts_, kVersion); !recorded) {
    spdlog::error("the journal takes no record: serving what was recovered, read-only{}",
                  journal_->damaged() ? "" : " for now");
  } else if (empty) {
    if (journal_->last_seq() > 1) history_border_ = journal_->last_seq();
    const auto made = make_initial_tree(*server_);
    if (!made) spdlog::error("the initial tree could not be recorded");
  }
  if (const auto found = recover_domains(); !found) return found;
  if (!config_.trace_file.empty()) {
    if (const auto opened = trace_.set_file(config_.trace_file); !opened) {
      return process::start_error(fmt::format("cannot open the trace file {}", config_.trace_file));
    }
  }
  for (const auto& change : config_.trace_control) (void)trace_.control(change);
  observer_.trace_changed();

  sockets_ = std::make_unique<SocketServer>(loop_, *server_, listen_fd_, kept_.get());
  resume_connections();
  checkpointer_ = std::make_unique<Checkpointer>(
      *env_, config_.journal_dir,
      Checkpointer::Hooks{
          .post = [this](auto task) { loop_.post(std::move(task)); },
          .done = [this](Seq seq, const auto& result) { after_checkpoint(seq, result); },
          .capture = [this] { return server_->lifecycle().capture(); },
          .now_us = [this] { return clock_.monotonic_us(); }});
  add_control_commands();
  if (config_.history) {
    start_history();
  } else {
    journal_->history_done(~Seq{0});  // nobody reads the segments behind us
  }
  return {};
}

void Daemon::start_history() {
  store::HistoryOptions options;
  options.repository = config_.history_dir();
  options.host = host_name();
  options.boot_id = boot_id_;
  options.version = std::string(kVersion);
  options.sync = config_.durability == store::Durability::kDisk;
  options.redact = config_.redact;
  HistoryThread::Hooks hooks;
  hooks.post = [this](auto task) { loop_.post(std::move(task)); };
  hooks.pin = [this] {
    const auto version = server_->safe_version();
    history_pin_ = version.tree;
    return HistorySnapshot{
        .tree = &*history_pin_, .seq = version.record_seq, .time_us = clock_.wall_us()};
  };
  hooks.unpin = [this] { history_pin_.reset(); };
  hooks.durable = [this](Seq seq) { journal_->history_done(seq); };
  hooks.say = [](bool error, const std::string& sentence) {
    error ? spdlog::error("{}", sentence) : spdlog::info("{}", sentence);
  };
  history_ = std::make_unique<HistoryThread>(*env_, options, *journal_, std::move(hooks));
}

// --- serving -----------------------------------------------------------------

void Daemon::run() {
  Interest timer;
  timer = loop_.timer([this, &timer] {
    housekeeping();
    timer.enable_after(kHousekeepingUs);
  });
  timer.enable_after(kHousekeepingUs);
  pins_ = loop_.timer([this] {
    if (server_->move_old_bases()) pins_.enable_after(kPinsUs);
  });
  wake_ = loop_.timer([this] {
    wake_at_.reset();
    server_->wake();
  });

  if (history_) history_->start(history_border_, history_taken_at_);
  if (keeper_ != nullptr) start_keeper();
  sockets_->start();
  while (!stopping_) one_pass();
  shut_down();
}

void Daemon::one_pass() {
  loop_.run_once(sockets_->has_backlog() || (rings_ && rings_->has_backlog()));
  sockets_->serve_backlog();
  if (rings_) rings_->serve_backlog();
  server_->end_of_pass();
  flush();
  server_->settle();
  set_alarm();
  tell_checkpointer();
  if (journal_->wants_preparation()) journal_->prepare();
}

/// Guests may wait for less than housekeeping's interval.
void Daemon::set_alarm() {
  const auto next = server_->next_wake_us();
  if (!next || (wake_at_ && *wake_at_ <= *next)) return;
  wake_at_ = next;
  wake_.enable_after(std::max<std::int64_t>(*next - clock_.monotonic_us(), 0));
}

void Daemon::flush() {
  const Seq released = server_->released_seq();
  sockets_->flush();
  if (rings_) rings_->flush();
  if (kept_) kept_->published(released);
}

// Every pass, so that a rollback is told before what was appended after it counts as safe.
void Daemon::tell_checkpointer() {
  if (!checkpointer_->busy()) return;
  if (server_->counters().rollbacks != checkpoint_rollbacks_) checkpointer_->rolled_back();
  checkpointer_->progressed(journal_->safe_seq());
}

void Daemon::housekeeping() {
  if (keeper_ != nullptr) keeper_->alive();
  if (server_->tick()) pins_.enable_after(kPinsUs);
  if (checkpointer_->busy() || checkpointer_->resting() || !report_.damage.empty()) return;
  const bool budget_is_short = journal_->bytes() > config_.journal_budget_bytes / 4 * 3;
  if (journal_->bytes_since_checkpoint() >= kCheckpointBytes ||
      (budget_is_short && journal_->bytes_since_checkpoint() > kCheckpointBytes / 8)) {
    start_checkpoint();
  }
}

store::CheckpointMeta Daemon::checkpoint_meta(Seq seq, bool clean) {
  return store::CheckpointMeta{.seq = seq,
                               .time_us = clock_.wall_us(),
                               .boot_id = boot_id_,
                               .starts = starts_,
                               .last_connection = server_->next_connection_id() - 1,
                               .clean_shutdown = clean};
}

void Daemon::start_checkpoint() {
  checkpoint_rollbacks_ = server_->counters().rollbacks;
  checkpointer_->start(checkpoint_meta(journal_->last_seq(), false), head_->tree());
}

void Daemon::after_checkpoint(Seq seq, const store::IoResult<void>& result) {
  if (!result && result.error().code == ECANCELED) {
    spdlog::warn("checkpoint {} was dropped: {}", seq, result.error().what);
    return;
  }
  if (!result) {
    spdlog::error("checkpoint {} could not be written ({}); the journal is kept", seq,
                  result.error().what);
    return;
  }
  journal_->checkpoint_done(seq);
  if (!config_.history) {
    journal_->history_done(seq);
    return;
  }
  // State never fails because of history (design §5): what it did not take in time it gets as one
  // commit.
  const bool short_of_room = journal_->bytes() > config_.journal_budget_bytes / 4 * 3;
  if (short_of_room && history_ && history_->durable_seq() < seq) {
    spdlog::error(
        "history lags behind (Seq {} of {}) and the journal's budget is nearly used up: "
        "giving up the records up to {}; history will show them as one gap commit",
        history_->durable_seq(), journal_->last_seq(), seq);
    journal_->history_done(seq);
  }
}

void Daemon::shut_down() {
  spdlog::info("stopping: writing a checkpoint and bringing history up to date");
  if (keeper_ != nullptr) keeper_->stopping();
  sockets_->stop_reading();
  if (rings_) rings_->stop_reading();
  server_->end_of_pass();
  flush();
  finish_rings();
  wait_until_safe();  // what was done is answered
  flush();
  if (history_) {
    history_->stop(kHistoryPatienceMs, [this] {
      // Domains may end meanwhile.
      loop_.run_once(true);
      server_->end_of_pass();
      tell_checkpointer();
    });
    wait_until_safe();
    if (history_->durable_seq() < journal_->safe_seq()) {
      spdlog::warn("history stops at Seq {} of {}; it continues at the next start",
                   history_->durable_seq(), journal_->safe_seq());
    }
    history_.reset();
  }
  if (!report_.damage.empty()) return;  // nothing in a damaged journal's directory is touched
  if (journal_->safe_seq() != journal_->last_seq()) {
    spdlog::error("the last records did not become safe: no checkpoint is written");
    return;
  }
  const auto written =
      checkpointer_->write_now(checkpoint_meta(journal_->last_seq(), true), head_->tree());
  if (!written) {
    spdlog::error("the last checkpoint could not be written ({}); the journal has everything",
                  written.error().what);
  }
}

/// With `disk` the last batch may still be on its way.
void Daemon::wait_until_safe() {
  const auto until = clock_.monotonic_us() + kSyncPatienceUs;
  while (journal_->safe_seq() < journal_->last_seq() && !journal_->failing() &&
         clock_.monotonic_us() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  server_->journal_progressed();
}

// What is half in a ring and half here ends with the process, and a guest does not ask again.
void Daemon::finish_rings() {
  const auto until = clock_.monotonic_us() + kRingPatienceUs;
  while (rings_ && rings_->unfinished() && clock_.monotonic_us() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    loop_.run_once(true);
    rings_->serve_backlog();
    server_->end_of_pass();
    flush();
    server_->settle();
  }
}

void Daemon::add_control_commands() {
  Control& control = server_->control();
  add_log_commands(
      control, trace_, [this] { observer_.trace_changed(); }, stats_);
  control.add_status([this](std::string& text) {
    text += fmt::format("version: {}\npid: {}\nboot: {}\nstart: {}\n", kVersion, process_id(),
                        boot_id_, starts_);
    text += fmt::format("journal-dir: {}\njournal-budget: {}\n", config_.journal_dir,
                        config_.journal_budget_bytes);
    if (!history_) {
      text += "history: off\n";
      return;
    }
    const auto stats = history_->stats();
    text += fmt::format(
        "history: {}\nhistory-repository: {}\nhistory-seq: {}\nhistory-lag: {}\n"
        "history-commits: {}\nhistory-packs: {}\n",
        history_->failing() ? "failing" : "ok", config_.history_dir(), history_->durable_seq(),
        journal_->last_seq() - std::min(journal_->last_seq(), history_->durable_seq()),
        stats.commits, stats.packs);
  });
}

}  // namespace vxs::daemon
