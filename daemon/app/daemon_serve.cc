// Serving: passes of the loop, housekeeping, checkpoints, and the end.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "daemon/app/daemon.hh"
#include "store/crash_point.hh"

namespace vxs::daemon {
namespace {

constexpr std::int64_t kHousekeepingUs = 250'000;
/// While open transactions pin too much.
constexpr std::int64_t kPinsUs = 10'000;
constexpr std::int64_t kHistoryPatienceMs = 5000;
constexpr std::int64_t kSyncPatienceUs = 2'000'000;
/// For guests to read their replies, and to end what they have begun, before a stop.
constexpr std::int64_t kRingPatienceUs = 200'000;
/// A checkpoint is due when replaying the journal since the last one would take some 30 ms of a
/// restart: clients wait for it. Larger trees take longer to write, and get more records.
constexpr std::uint64_t kCheckpointBytes = 16U << 20;
constexpr std::uint64_t kCheckpointRecords = 32'768;
constexpr std::uint64_t kNodesPerRecord = 4;
/// Or when so many starts have left a segment each.
constexpr std::size_t kCheckpointSegments = 32;
/// None is due for so long after a daemon that died while it wrote one: if it died of that,
/// everybody is served meanwhile.
constexpr std::int64_t kAfterHalfCheckpointUs = 10'000'000;

}  // namespace

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

  if (history_not_kept_) history_border_ = history_newest_ + 1;
  if (history_) history_->start(history_border_, history_taken_at_, history_not_kept_);
  if (keeper_ != nullptr) start_keeper();
  sockets_->start();
  say_update_pause();
  if (report_.half_checkpoint) {
    checkpoint_from_us_ = clock_.monotonic_us() + kAfterHalfCheckpointUs;
    spdlog::warn("the daemon before died while it wrote a checkpoint: none is written for {} s",
                 kAfterHalfCheckpointUs / 1'000'000);
  }
  // Not only when the timer fires for the first time: where a daemon is killed before that again
  // and again, the tail that the next one replays would only grow.
  checkpoint_if_due();
  while (!stopping_) one_pass();
  shut_down();
}

void Daemon::one_pass() {
  const bool busy = sockets_->has_backlog() || (rings_ && rings_->has_backlog());
  loop_.run_once(busy || checkpointer_->gathering());
  sockets_->serve_backlog();
  if (rings_) rings_->serve_backlog();
  server_->end_of_pass();
  flush();
  server_->settle();
  set_alarm();
  tell_checkpointer();
  if (journal_->wants_preparation()) journal_->prepare();
  if (updater_->pass()) flush();
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
  VXS_CRASH_POINT("events-queued");
  if (kept_ && !server_->astray()) kept_->published(released);
  flushed_seq_ = released;
}

// Every pass, so that a rollback is told before what was appended after it counts as safe.
void Daemon::tell_checkpointer() {
  if (!checkpointer_->busy()) return;
  if (server_->counters().rollbacks != checkpoint_rollbacks_) checkpointer_->rolled_back();
  // Not journal_->safe_seq(), which a thread raises: a start replays no record that a checkpoint
  // covers, so what such a record made known has to be in the outboxes before.
  checkpointer_->progressed(flushed_seq_);
  checkpointer_->go_on();
}

void Daemon::housekeeping() {
  if (keeper_ != nullptr) keeper_->alive();
  if (server_->tick()) pins_.enable_after(kPinsUs);
  checkpoint_if_due();
}

void Daemon::checkpoint_if_due() {
  if (checkpointer_->busy() || checkpointer_->resting() || !report_.damage.empty()) return;
  if (server_->astray()) return;  // its state is not that of the journal's last Seq
  if (clock_.monotonic_us() < checkpoint_from_us_) return;
  const bool budget_is_short = journal_->bytes() > config_.journal_budget_bytes / 4 * 3;
  if (checkpoint_is_due() ||
      (budget_is_short && journal_->bytes_since_checkpoint() > kCheckpointBytes / 8)) {
    start_checkpoint();
  }
}

bool Daemon::checkpoint_is_due() const {
  const std::uint64_t records = kCheckpointRecords + head_->tree().node_count() / kNodesPerRecord;
  return journal_->bytes_since_checkpoint() >= kCheckpointBytes ||
         journal_->last_seq() - checkpoint_seq_ >= records || old_segments_ >= kCheckpointSegments;
}

store::CheckpointMeta Daemon::checkpoint_meta(Seq seq, bool clean) {
  return store::CheckpointMeta{.seq = seq,
                               .time_us = clock_.wall_us(),
                               .boot_id = boot_id_,
                               .starts = starts_,
                               .last_connection = server_->next_connection_id() - 1,
                               .clean_shutdown = clean,
                               .history = history_mark_};
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
  checkpoint_seq_ = seq;
  old_segments_ = 0;
  if (!has_history()) {
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
      // Domains may end meanwhile, and who watches is told by the next process at the latest.
      loop_.run_once(true);
      server_->end_of_pass();
      flush();
      tell_checkpointer();
    });
    wait_until_safe();
    flush();
    if (history_->durable_seq() < journal_->safe_seq()) {
      spdlog::warn("history stops at Seq {} of {}; it continues at the next start",
                   history_->durable_seq(), journal_->safe_seq());
    }
    history_.reset();
  }
  // Nothing in a damaged journal's directory is touched.
  if (!report_.damage.empty() || server_->astray()) return;
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
    say_alive();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  server_->journal_progressed();
}

// The unit lets the daemon be silent for 30 s, but an operator may say a second (--watchdog, or
// WatchdogSec=): a disk that hangs is waited for longer, and who was killed for it would lose more.
void Daemon::say_alive() {
  if (keeper_ == nullptr || keeper_->alive_interval().count() == 0) return;
  const auto now = clock_.monotonic_us();
  if (now < alive_due_us_) return;
  alive_due_us_ = now + keeper_->alive_interval().count();
  keeper_->alive();
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

}  // namespace vxs::daemon
