// The state a daemon begins with: from journal and checkpoints, or where they are lost from Git.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "daemon/app/daemon.hh"
#include "daemon/app/initial_tree.hh"

namespace vxs::daemon {
namespace {

/// Numbers that are left out above those of a history that is not of the state.
constexpr Seq kHistoryNumbers = Seq{1} << 32;

}  // namespace

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
  const auto line = find_history();
  if (line == HistoryLine::kForeign) {
    if (auto done = leave_history_behind(options); !done) return done;
  } else if (line == HistoryLine::kAhead) {
    journal_.reset();
    head_.reset();
    if (auto prepared = recover_from_history(options); !prepared) return prepared;
    if (!journal_) {
      if (auto opened = open_journal(options); !opened) return opened;
      report_.fresh = !options.keep_after_reboot;
    }
  }
  history_mark_ = has_history() ? mark_with_history(report_.history, line, journal_->last_seq())
                                : mark_without_history(report_.history, journal_->last_seq());
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
    beginnings_ = {};
    replay.from = kept_->published_seq();
    replay.tell = [this](const store::ReplayedRecord& record) {
      replayed_->add(record);
      // Of an area in which nothing was ever published all records are new, and no ring is.
      if (kept_->published_seq() != 0) beginnings_.add(record);
    };
  }
  if (on_trial()) {
    replay.confirm = [this](const store::Tree& found, const store::RecoveryReport& report) {
      return confirm_update(found, report);
    };
  }
  auto journal = store::open_journal_from(
      ahead_->checkpoint ? &*ahead_->checkpoint : nullptr, *env_, options, perms_, tree, report_,
      [this] { loop_.post([this] { server_->journal_progressed(); }); },
      [this](const store::Record& record) { ahead_->note(record); }, replay);
  if (!journal) {
    if (journal.error().kind != store::JournalError::Kind::kDamaged || options.accept_damage ||
        on_trial()) {
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
std::optional<HistoryLine> Daemon::find_history() {
  if (!config_.history || !report_.damage.empty()) return HistoryLine::kOne;
  if (report_.fresh) {
    return env_->exists(config_.history_dir()) ? HistoryLine::kAhead : HistoryLine::kOne;
  }
  const auto newest = store::newest_history_seq(*env_, config_.history_dir());
  if (!newest) return std::nullopt;
  history_newest_ = *newest;
  const HistoryLine line = compare_lines(report_.history, *newest, journal_->last_seq());
  if (line == HistoryLine::kAhead) {
    spdlog::warn("journal and checkpoints end at Seq {}, the history at {}", journal_->last_seq(),
                 *newest);
  }
  return line;
}

process::StartResult<void> Daemon::leave_history_behind(store::JournalOptions& options) {
  const Seq last = journal_->last_seq();
  spdlog::warn(
      "the history ends at Seq {}, and is not of this state (Seq {}), which was kept without it: "
      "the state stays, and the history goes on from it",
      history_newest_, last);
  history_not_kept_ = history_newest_ < last ? last - history_newest_ : last;
  if (history_newest_ < last) return {};
  // Numbers are never given out twice.
  const store::CheckpointMeta meta{.seq = history_newest_ + kHistoryNumbers,
                                   .time_us = clock_.wall_us(),
                                   .boot_id = boot_id_,
                                   .starts = report_.starts,
                                   .last_connection = report_.last_connection,
                                   .history = report_.history};
  const store::Tree tree = head_->tree();
  journal_.reset();
  const auto written =
      store::write_checkpoint(*env_, config_.journal_dir, meta, tree, report_.system);
  head_.reset();
  renumbered_ = written.has_value();
  if (!written) {
    spdlog::error(
        "history is off until the next start: the state cannot be written with numbers above the "
        "history's ({})",
        written.error().what);
    history_barred_ = true;
    ahead_->checkpoint.reset();  // it was used up
  }
  return open_journal(options);
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
  if (!written) serve_unwritten(options, *seq, std::move(tree), written.error());
  return {};
}

/// What was acknowledged can be read, and nothing is acknowledged that the next start would not
/// find: neither the journal's older state nor an empty one may go on beside this history.
void Daemon::serve_unwritten(const store::JournalOptions& options, Seq seq, store::Tree tree,
                             const store::IoError& error) {
  report_.damage = fmt::format("the state is the history's, and could not be written to {} ({})",
                               config_.journal_dir, error.what);
  report_.fresh = false;
  report_.last_seq = seq;
  spdlog::error(
      "READ-ONLY: {}. Every write is refused until the daemon is started again and finds room",
      report_.damage);
  journal_ = store::make_refusing_journal(*env_, options, seq, {error.code, report_.damage});
  head_ = std::make_unique<transactions::Head>(stats_, perms_, std::move(tree), seq);
}

}  // namespace vxs::daemon
