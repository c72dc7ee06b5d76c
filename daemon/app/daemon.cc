#include "daemon/app/daemon.hh"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>

#include "daemon/app/host.hh"
#include "daemon/app/initial_tree.hh"
#include "daemon/app/log_commands.hh"
#include "daemon/app/version.hh"
#include "daemon/hypervisor/xen_hypervisor.hh"
#include "store/crash_point.hh"

namespace vxs::daemon {
namespace {

/// Copied for a checkpoint in one pass: some 0.2 ms.
constexpr std::size_t kWatchesPerPass = 512;

}  // namespace

Daemon::Daemon(const config::Config& config, int listen_fd, keeper::Keeper* keeper,
               std::unique_ptr<StateAhead> ahead)
    : config_(config),
      listen_fd_(listen_fd),
      env_(store::make_posix_env()),
      ahead_(ahead ? std::move(ahead) : std::make_unique<StateAhead>()),
      perms_(ahead_->perms),
      stats_(ahead_->stats),
      trace_(config.log_dir),
      observer_(trace_, clock_),
      poison_(config.state_dir + "/poison"),
      domains_(config.store_domid, config.quotas, config.control_domid),
      boot_id_(boot_id()),
      keeper_(keeper) {
  observer_.on_poison([this](const auto& connection, const auto& header, auto payload) {
    keep_poison(connection, header, payload);
  });
}

Daemon::~Daemon() {
  history_.reset();
  hash_ahead_.end();
  checkpointer_.reset();
  sockets_.reset();
  rings_.reset();
  server_.reset();
  head_.reset();
}

process::StartResult<std::unique_ptr<Daemon>> Daemon::create(
    const config::Config& config, bool xen_present, int listen_fd, StartTimes& times,
    keeper::Keeper* keeper, keeper::Inheritance inheritance, std::unique_ptr<StateAhead> ahead) {
  std::unique_ptr<Daemon> daemon(new Daemon(config, listen_fd, keeper, std::move(ahead)));
  if (auto taken = daemon->take_update_note(inheritance); !taken) {
    return tl::unexpected(taken.error());
  }
  if (xen_present) {
    const auto opened = daemon->open_xen(inheritance);
    if (!opened) return tl::unexpected(opened.error());
  }
  times.mark("xen");
  if (const auto opened = daemon->open_connections(inheritance); !opened) {
    return tl::unexpected(opened.error());
  }
  times.mark("wire-area");
  const auto recovered = daemon->recover(daemon->hypervisor_ != nullptr);
  if (!recovered) return tl::unexpected(recovered.error());
  daemon->ahead_->checkpoint.reset();  // what it was for is done
  VXS_CRASH_POINT("start-state-recovered");
  times.mark("state");
  const auto begun = daemon->begin(times);
  if (!begun) return tl::unexpected(begun.error());
  return daemon;
}

// --- Xen ---------------------------------------------------------------------

process::StartResult<void> Daemon::open_xen(keeper::Inheritance& inheritance) {
  XenHypervisor::Paths paths;
  // In a split store --event is about the control domain's ring.
  if (!split()) paths.port = config_.own_event;
  auto opened =
      XenHypervisor::open(std::move(paths), take_events(inheritance), std::move(ahead_->xen));
  if (!opened) {
    if (config_.xen == config::XenMode::kOn) {
      return process::start_error(fmt::format("--xen on: {}", opened.error()));
    }
    spdlog::warn("{}; serving sockets only", opened.error());
    return {};
  }
  hypervisor_ = std::move(*opened);
  keep_events();
  rings_ = std::make_unique<RingServer>(loop_, *hypervisor_);
  return {};
}

process::StartResult<void> Daemon::recover_domains() {
  if (!hypervisor_) {
    server_->recover(report_.system, {}, {});
    return {};
  }
  rings_->start(*server_);
  if (kept_) {
    if (state_is_lost()) kept_->forget_rings();
    rings_->keep({.connections = *kept_, .report = report_, .beginnings = beginnings_});
  }
  const auto now = hypervisor_->domains();
  if (!now) {
    return process::start_error(
        fmt::format("Xen cannot say which domains there are: {}", std::strerror(now.error())),
        now.error());
  }
  server_->recover(report_.system, *now,
                   [this] { return rings_->attach_own(config_.store_domid); });
  const auto watching = rings_->watch_domains([this] {
    if (resumed_) server_->scan_domains();
  });
  if (!watching) {
    return process::start_error(
        fmt::format("the event of domains that end (VIRQ_DOM_EXC) cannot be bound: {}; is another "
                    "xenstored running?",
                    std::strerror(watching.error())),
        watching.error());
  }
  hypervisor_->drop_unclaimed();
  spdlog::info("serving {} rings of {} domains", rings_->ring_count(), now->size());
  return {};
}

// --- the beginning -----------------------------------------------------------

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

process::StartResult<void> Daemon::begin(StartTimes& times) {
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
  if (ahead_->watches) server_->watches().begin_with(*std::exchange(ahead_->watches, nullptr));
  starts_ = report_.starts + 1;
  checkpoint_seq_ = report_.checkpoint_seq;
  old_segments_ = report_.segments;
  history_border_ = 0;
  const bool empty = head_->tree().node_count() == 1 && head_->tree().root().generation() == 0;
  if (const auto recorded = server_->record_start(boot_id_, starts_, kVersion, history_mark_);
      !recorded) {
    spdlog::error("the journal takes no record: serving what was recovered, read-only{}",
                  journal_->damaged() ? "" : " for now");
  } else if (empty) {
    if (journal_->last_seq() > 1) history_border_ = journal_->last_seq();
    const auto made = make_initial_tree(*server_);
    if (!made) spdlog::error("the initial tree could not be recorded");
  }
  VXS_CRASH_POINT("start-recorded");
  times.mark("accounts");
  if (const auto found = recover_domains(); !found) return found;
  VXS_CRASH_POINT("start-domains-recovered");
  times.mark("domains");
  if (!config_.trace_file.empty()) {
    if (const auto opened = trace_.set_file(config_.trace_file); !opened) {
      return process::start_error(fmt::format("cannot open the trace file {}", config_.trace_file));
    }
  }
  for (const auto& change : config_.trace_control) (void)trace_.control(change);
  observer_.trace_changed();

  sockets_ = std::make_unique<SocketServer>(loop_, *server_, listen_fd_, kept_.get());
  resume_connections();
  times.mark("clients");
  prepare_updates();
  take_update_outcome();
  checkpointer_ = std::make_unique<Checkpointer>(
      *env_, config_.journal_dir,
      Checkpointer::Hooks{
          .post = [this](auto task) { loop_.post(std::move(task)); },
          .done = [this](Seq seq, const auto& result) { after_checkpoint(seq, result); },
          .capture = [this] { return server_->lifecycle().capture(); },
          .begin_capture =
              [this] { server_->lifecycle().begin_capture(server_->system_capture()); },
          .capture_piece = [this]() -> std::optional<store::SystemState> {
            if (!server_->system_capture().gather(kWatchesPerPass)) return std::nullopt;
            return server_->system_capture().take();
          },
          .cancel_capture = [this] { server_->system_capture().cancel(); },
          .now_us = [this] { return clock_.monotonic_us(); }});
  add_control_commands();
  if (has_history()) {
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
  options.without_fold_rate = {config_.control_domid, config_.store_domid};
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
  history_ = std::make_unique<HistoryThread>(*env_, options, *journal_, std::move(hooks),
                                             config_.state_dir + "/history-deaths");
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
    const auto poison = poison_.kept();
    text += fmt::format("poison-bundles: {}\n", poison.count);
    if (poison.count != 0) text += fmt::format("poison-newest: {}\n", poison.newest);
    if (!history_) {
      text += "history: off\n";
      return;
    }
    const auto stats = history_->stats();
    text += fmt::format(
        "history: {}\nhistory-repository: {}\nhistory-seq: {}\nhistory-lag: {}\n"
        "history-commits: {}\nhistory-packs: {}\n",
        history_->off()       ? "ended the daemon and is off"
        : history_->failing() ? "failing"
                              : "ok",
        config_.history_dir(), history_->durable_seq(),
        journal_->last_seq() - std::min(journal_->last_seq(), history_->durable_seq()),
        stats.commits, stats.packs);
  });
}

}  // namespace vxs::daemon
