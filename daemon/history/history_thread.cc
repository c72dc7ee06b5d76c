#include "daemon/history/history_thread.hh"

#include <fmt/format.h>
#include <pthread.h>

#include <chrono>
#include <cstdlib>

#include "daemon/process/heap.hh"
#include "daemon/process/signals.hh"

namespace vxs::daemon {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// Visible within 1 s is the promise; a quarter leaves room for the work itself.
constexpr auto kPublishAfter = 250ms;
constexpr std::int64_t kBusyPauseMs = 20;
constexpr std::int64_t kIdlePauseMs = 200;
constexpr std::int64_t kRetryPauseMs = 2000;
/// A record that is older when it is read (by a daemon that is gone, perhaps as it was killed
/// before it had made it visible) is made visible as soon as all are read: who is killed again and
/// again within kPublishAfter would never make any visible.
constexpr auto kOverdueAfter = kPublishAfter + std::chrono::milliseconds(kIdlePauseMs);
/// After so long without a record what was read for the last ones is let go.
constexpr auto kRestAfter = 1s;
/// After so many records the heap's free pages are given back as well, which others wait for who
/// need memory meanwhile.
constexpr std::uint64_t kRecordsWorthTrimming = 1000;
constexpr int kRecordsPerLook = 512;
/// Daemons that it ended in a row at one record: then the record is not tried again; nothing is.
constexpr unsigned kSkipAfter = 2;
constexpr unsigned kOffAfter = 3;
/// The commit-graph is written anew after so many commits, but not more often than this.
constexpr std::uint64_t kGraphCommits = 1000;
constexpr std::int64_t kGraphPauseMs = 60'000;

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch())
      .count();
}

bool is_overdue(const store::Record& record) {
  const auto made = std::visit([](const auto& one) { return one.time_us; }, record);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return now - std::chrono::microseconds(made) >= kOverdueAfter;
}

}  // namespace

HistoryThread::HistoryThread(store::Env& env, store::HistoryOptions options,
                             const store::Journal& journal, Hooks hooks, std::string deaths_file)
    : env_(env),
      options_(std::move(options)),
      journal_(journal),
      hooks_(std::move(hooks)),
      deaths_file_(std::move(deaths_file)) {}

HistoryThread::~HistoryThread() {
  abandoned_.store(true, std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void HistoryThread::start(Seq border, Seq taken_at, std::optional<std::uint64_t> not_kept) {
  border_ = border;
  not_kept_ = not_kept;
  taken_at_ = taken_at;
  const process::SignalsBlocked blocked;
  thread_ = std::thread([this] { run(); });
  (void)pthread_setname_np(thread_.native_handle(), "vxs-history");
}

void HistoryThread::stop(std::int64_t patience_ms, const std::function<void()>& pump) {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  const auto until = Clock::now() + std::chrono::milliseconds(patience_ms);
  while (!ended_.load(std::memory_order_acquire) && Clock::now() < until) {
    pump();
    std::this_thread::sleep_for(1ms);
  }
}

store::HistoryStats HistoryThread::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

bool HistoryThread::rest(std::int64_t milliseconds) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, std::chrono::milliseconds(milliseconds), [this] { return stopping_; });
  return !stopping_;
}

void HistoryThread::run() {
  graph_.emplace(options_.repository, find_git(std::getenv("PATH")));
  watch_deaths();
  while (!run_writer()) {
    // A repository that cannot be written is tried again; the journal keeps what it needs
    // meanwhile.
    if (!rest(kRetryPauseMs)) break;
  }
  graph_.reset();
  deaths_.reset();
  ended_.store(true, std::memory_order_release);
}

bool HistoryThread::fail(const store::HistoryError& error) {
  if (!failing_.exchange(true)) {
    hooks_.say(true, fmt::format("history is not being written: {}; the store goes on, history "
                                 "continues by itself when this is mended",
                                 error.message));
  }
  return false;
}

void HistoryThread::watch_deaths() {
  if (deaths_file_.empty()) return;
  auto deaths = HistoryDeaths::watch(deaths_file_, options_.version);
  if (!deaths) {
    hooks_.say(true, fmt::format("history: nobody counts how often it ends the daemon: {}",
                                 deaths.error()));
    return;
  }
  deaths_ = std::move(*deaths);
}

void HistoryThread::work_at(Seq seq) noexcept {
  if (deaths_) deaths_->begin(seq);
}

unsigned HistoryThread::deaths_at(Seq seq) const noexcept { return deaths_ ? deaths_->at(seq) : 0; }

bool HistoryThread::is_hopeless(Seq seq) {
  if (deaths_at(seq) < kOffAfter) return false;
  off_.store(true, std::memory_order_relaxed);
  const std::string where = seq == HistoryDeaths::kOpening ? "while it opened its repository"
                                                           : fmt::format("at Seq {}", seq);
  hooks_.say(
      true, fmt::format("history ended {} daemons in a row {}: it is off until this one is stopped "
                        "in an orderly way, or another version starts. The store goes on; what it "
                        "does now will be one gap commit. Please report it, with {}",
                        deaths_at(seq), where, options_.repository));
  while (rest(kIdlePauseMs * 50)) {
  }
  deaths_->forget();
  return true;
}

bool HistoryThread::run_writer() {
  if (is_hopeless(HistoryDeaths::kOpening)) return true;
  work_at(HistoryDeaths::kOpening);
  auto writer = store::open_history_writer(env_, options_);
  if (!writer) return fail(writer.error());
  if (is_hopeless((*writer)->durable_seq() + 1)) return true;
  tell(**writer);
  return follow(**writer);
}

void HistoryThread::published(store::HistoryWriter& writer) {
  succeeded();
  tell(writer);
}

/// Something was written, or there is nothing left to write: that a repository can be opened does
/// not say so.
void HistoryThread::succeeded() {
  if (failing_.exchange(false)) hooks_.say(false, "history is being written again");
}

void HistoryThread::tell(store::HistoryWriter& writer) {
  durable_.store(writer.durable_seq(), std::memory_order_relaxed);
  work_at(writer.durable_seq() + 1);
  {
    const std::lock_guard lock(mutex_);
    stats_ = writer.stats();
  }
  hooks_.post([this, seq = writer.durable_seq()] { hooks_.durable(seq); });
}

bool HistoryThread::idle_work(store::HistoryWriter& writer, bool& failed) {
  const auto more = writer.maintain();
  if (!more && more.error().kind == store::HistoryError::Kind::kDamaged) {
    // Said once for each pack, which the writer leaves alone from then on.
    hooks_.say(true, fmt::format("packs of the history are not joined: {}", more.error().message));
    return true;
  }
  if (!more) {
    failed = !fail(more.error());
    return false;
  }
  if (!*more) {
    succeeded();
    write_commit_graph(writer);
  }
  return *more;
}

void HistoryThread::write_commit_graph(const store::HistoryWriter& writer) {
  if (graph_->poll() == CommitGraph::State::kFailed) {
    hooks_.say(false, "git could not write the history's commit-graph; only speed is lost");
  }
  const std::uint64_t commits = writer.stats().commits;
  if (commits < graph_commits_) graph_commits_ = 0;  // another writer
  if (commits - graph_commits_ < kGraphCommits || now_ms() < graph_due_ms_) return;
  graph_commits_ = commits;
  graph_due_ms_ = now_ms() + kGraphPauseMs;
  graph_->start();
}

bool HistoryThread::take_snapshot(store::HistoryWriter& writer, Seq from, bool border, bool skip) {
  HistorySnapshot snapshot;
  {
    hooks_.post([this] {
      const HistorySnapshot pinned = hooks_.pin();
      const std::lock_guard lock(mutex_);
      snapshot_ = pinned;
      wake_.notify_all();
    });
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return snapshot_.has_value() || stopping_; });
    if (!snapshot_) return true;  // ends without it; the next start asks again
    snapshot = *snapshot_;
    snapshot_.reset();
  }
  if (skip && snapshot.seq < from) {  // it was no record
    hooks_.post([this] { hooks_.unpin(); });
    return true;
  }
  const bool first = writer.durable_seq() == 0;
  const Seq gap_to = snapshot.seq;
  const Seq gap_from = first ? 1 : from;
  const bool own = from <= taken_at_;  // numbers were left out, and nothing that happened
  std::string_view reason = "the journal no longer has these records";
  std::uint64_t lost = gap_to >= gap_from && !own ? gap_to - gap_from + 1 : 0;
  if (own) {
    reason = "journal and checkpoints were lost, the state is this history's own";
  } else if (border && not_kept_) {
    reason = "history was off";
    lost = *not_kept_;
  } else if (border) {
    reason = "the state of an earlier boot ends here";
  } else if (skip) {
    reason = "writing them ended the daemon twice";
  }
  const auto added = writer.add_snapshot(*snapshot.tree, snapshot.seq, snapshot.time_us, gap_from,
                                         gap_to, lost, reason);
  hooks_.post([this] { hooks_.unpin(); });
  if (!added) return fail(added.error());
  const auto done = writer.publish();
  if (!done) return fail(done.error());
  hooks_.say(false, fmt::format("history: Seq {} to {} are in one commit only ({})", gap_from,
                                gap_to, reason));
  published(writer);
  return true;
}

bool HistoryThread::follow(store::HistoryWriter& writer) {
  auto tail = store::open_tail(env_, journal_, perms_, writer.durable_seq() + 1);
  auto oldest_unpublished = Clock::now();
  auto caught_up = Clock::now();
  bool behind = false;
  auto worked = Clock::now();
  bool resting = false;
  bool open_pack = false;
  bool overdue = false;
  std::uint64_t records = kRecordsWorthTrimming;  // the start's own peak
  bool skip = deaths_at(writer.durable_seq() + 1) >= kSkipAfter;
  std::optional<store::HistoryError> error;
  const auto add = [&](const store::Record& record) {
    if (!open_pack) overdue = is_overdue(record);
    ++records;
    const auto added = writer.add(record);
    if (!added) error = added.error();
  };

  while (true) {
    bool at_end = false;
    bool lost = skip;
    // A slow disk and a busy machine are no lag by themselves: what one look finds is soon written,
    // and one by one.
    const auto lag = behind ? Clock::now() - caught_up : Clock::duration::zero();
    writer.note_lag(std::chrono::duration_cast<std::chrono::microseconds>(lag).count());
    for (int i = 0; i < kRecordsPerLook && !at_end && !lost && !error; ++i) {
      if (abandoned_.load(std::memory_order_relaxed)) return true;  // one record can take long
      if (border_ != 0 && tail->position() == border_) {
        lost = true;
        break;
      }
      switch (tail->next(add)) {
        case store::JournalTail::Next::kRecord:
          if (!open_pack) oldest_unpublished = Clock::now();
          open_pack = true;
          break;
        case store::JournalTail::Next::kEnd:
          at_end = true;
          break;
        case store::JournalTail::Next::kLost:
          lost = true;
          break;
      }
      if (lost || writer.pack_is_full()) break;
    }
    if (at_end) caught_up = Clock::now();
    behind = !at_end;
    if (open_pack) {
      worked = Clock::now();
      resting = false;
    }
    if (error) return fail(*error);
    if (abandoned_.load(std::memory_order_relaxed)) return true;

    bool stopping = false;
    {
      const std::lock_guard lock(mutex_);
      stopping = stopping_;
    }
    if (stopping) graph_->stop();
    const bool due =
        open_pack && (writer.pack_is_full() || lost || (at_end && (stopping || overdue)) ||
                      Clock::now() - oldest_unpublished >= kPublishAfter);
    if (due) {
      const auto done = writer.publish();
      if (!done) return fail(done.error());
      open_pack = false;
      published(writer);
    }
    if (lost) {
      const bool border = border_ != 0 && tail->position() == border_;
      const Seq from = tail->position();
      if (!take_snapshot(writer, from, border, std::exchange(skip, false))) return false;
      border_ = 0;
      tail = store::open_tail(env_, journal_, perms_, writer.durable_seq() + 1);
      caught_up = Clock::now();
    }
    if (stopping && (at_end || lost)) return true;
    if (at_end) {
      if (!open_pack) {
        bool failed = false;
        const bool more = idle_work(writer, failed);
        if (failed) return false;
        if (more) continue;
        if (!resting && Clock::now() - worked >= kRestAfter) {
          resting = true;
          writer.rest();
          if (records >= kRecordsWorthTrimming) process::trim_heaps();
          records = 0;
        }
      }
      (void)rest(open_pack ? kBusyPauseMs : kIdlePauseMs);
    }
  }
}

}  // namespace vxs::daemon
