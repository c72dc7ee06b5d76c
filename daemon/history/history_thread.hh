// The thread that turns the journal into Git history (design §7). It follows the
// journal on its own; the main thread never waits for it, and its failure is never the store's.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "daemon/history/commit_graph.hh"
#include "daemon/history/history_deaths.hh"
#include "store/history/history_writer.hh"
#include "store/journal/journal.hh"
#include "store/journal/tail.hh"
#include "store/tree.hh"

namespace vxs::daemon {

/// What the main thread answers when the thread asks for a whole tree.
struct HistorySnapshot {
  const store::Tree* tree = nullptr;  ///< stays alive and unchanged until release() is posted
  Seq seq = 0;
  std::int64_t time_us = 0;
};

class HistoryThread {
 public:
  struct Hooks {
    /// Runs a task on the main thread, soon.
    std::function<void(std::function<void()>)> post;
    /// Main thread: pins the newest safe version and says which it is.
    std::function<HistorySnapshot()> pin;
    /// Main thread: lets it go.
    std::function<void()> unpin;
    /// Main thread: Git holds everything up to here.
    std::function<void(Seq)> durable;
    /// Any thread: a sentence for the operator's log.
    std::function<void(bool error, std::string sentence)> say;
  };

  /// `deaths_file` (HistoryDeaths): a daemon that this thread ended twice in a row at one record
  /// gives up the records there are, as one gap commit; when it ended another one at that, history
  /// is off until the next orderly end, or another version. Empty: nothing is counted.
  HistoryThread(store::Env& env, store::HistoryOptions options, const store::Journal& journal,
                Hooks hooks, std::string deaths_file = {});
  ~HistoryThread();
  HistoryThread(const HistoryThread&) = delete;
  HistoryThread& operator=(const HistoryThread&) = delete;

  /// Begins. The records of an earlier boot end at `state_from` (0: there is no such border): what
  /// follows starts from the tree as it is then, not from what history has. `taken_at`: the tree
  /// was taken from this history and got this Seq (0: it was not), so that numbers before it are
  /// missing and nothing else. `not_kept`: what ends at `state_from` is of another time instead,
  /// since history was off; so many records are in no commit.
  void start(Seq state_from, Seq taken_at, std::optional<std::uint64_t> not_kept = {});
  /// Makes visible what is safe now, then ends the thread; gives up after `patience_ms`. While it
  /// waits, `pump` is called on the main thread so that posted tasks run.
  void stop(std::int64_t patience_ms, const std::function<void()>& pump);

  // Any thread.
  [[nodiscard]] Seq durable_seq() const noexcept {
    return durable_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] bool failing() const noexcept { return failing_.load(std::memory_order_relaxed); }
  /// It ended three daemons in a row: nothing is written.
  [[nodiscard]] bool off() const noexcept { return off_.load(std::memory_order_relaxed); }
  [[nodiscard]] store::HistoryStats stats() const;

 private:
  void run();
  void watch_deaths();
  void work_at(Seq seq) noexcept;
  [[nodiscard]] unsigned deaths_at(Seq seq) const noexcept;
  /// It ended so many daemons here that it is not tried again: waits for the end.
  [[nodiscard]] bool is_hopeless(Seq seq);
  /// One life of a writer: from opening the repository to an error or the end.
  bool run_writer();
  bool follow(store::HistoryWriter& writer);
  /// What is done when nothing is to be written: true if there is more to do at once.
  bool idle_work(store::HistoryWriter& writer, bool& failed);
  void write_commit_graph(const store::HistoryWriter& writer);
  bool take_snapshot(store::HistoryWriter& writer, Seq from, bool border, bool skip);
  void published(store::HistoryWriter& writer);
  void succeeded();
  /// Says how far the writer is.
  void tell(store::HistoryWriter& writer);
  bool fail(const store::HistoryError& error);
  /// Sleeps, or returns false at once when it is time to end.
  bool rest(std::int64_t milliseconds);

  store::Env& env_;
  store::HistoryOptions options_;
  const store::Journal& journal_;
  Hooks hooks_;
  store::PermTable perms_;  ///< of the thread's records
  std::thread thread_;
  std::atomic<Seq> durable_{0};
  std::atomic<bool> failing_{false};
  std::atomic<bool> off_{false};
  std::atomic<bool> ended_{false};
  std::atomic<bool> abandoned_{false};  ///< patience is over: end at the next record
  std::string deaths_file_;
  std::unique_ptr<HistoryDeaths> deaths_;  ///< of the thread; none: nothing is counted
  std::optional<CommitGraph> graph_;       ///< of the thread, which is the child's parent
  std::uint64_t graph_commits_ = 0;        ///< the writer's count when it was last written
  std::int64_t graph_due_ms_ = 0;          ///< not before this
  Seq border_ = 0;
  Seq taken_at_ = 0;
  std::optional<std::uint64_t> not_kept_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;                    // guarded by mutex_
  std::optional<HistorySnapshot> snapshot_;  // guarded by mutex_
  store::HistoryStats stats_;                // guarded by mutex_
};

}  // namespace vxs::daemon
