// Writes checkpoints on a thread of their own, one at a time, from a snapshot
// that the main thread pins meanwhile (design §5).
//
// Tree and state beside it are taken at the journal's last Seq, since only there both are at hand.
// That Seq need not be safe yet: the file gets its name when it is, and goes when it was rolled
// back.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "store/env.hh"
#include "store/journal/checkpoint.hh"
#include "store/tree.hh"

namespace vxs::daemon {

/// Main thread.
class Checkpointer {
 public:
  struct Hooks {
    std::function<void(std::function<void()>)> post;  ///< runs a task on the main thread
    /// Main thread: a checkpoint is complete, or could not be written.
    /// ECANCELED: its records were rolled back, so it was dropped.
    std::function<void(Seq seq, const store::IoResult<void>& result)> done;
    /// The state beside the tree, right now.
    std::function<store::SystemState()> capture;
    /// The same in pieces: as it is now; the next piece, and the whole with the last; never mind.
    std::function<void()> begin_capture;
    std::function<std::optional<store::SystemState>()> capture_piece;
    std::function<void()> cancel_capture;
    std::function<std::int64_t()> now_us;  ///< monotonic
  };
  /// After one that could not be written none is begun for so long: each costs a capture, a thread
  /// and a line in the log.
  static constexpr std::int64_t kRestUs = 10'000'000;

  Checkpointer(store::Env& env, std::string directory, Hooks hooks);
  ~Checkpointer();
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

  [[nodiscard]] bool busy() const noexcept { return snapshot_.has_value(); }
  /// True for a while after one failed (ECANCELED is no failure): do not start() another.
  [[nodiscard]] bool resting() const { return hooks_.now_us() < rests_until_us_; }
  /// Begins one of `tree`, the head, and the state beside it: both as after the journal's last
  /// record, meta.seq. REQUIRES !busy().
  void start(store::CheckpointMeta meta, const store::Tree& tree);
  /// True while the state beside the tree is not complete: go_on() is to be called in every pass.
  [[nodiscard]] bool gathering() const noexcept { return gathering_.has_value(); }
  /// The next piece of it; after the last one the thread writes. Where no thread can be had, done()
  /// says EAGAIN, and ENOMEM where the thread has no memory. Cheap when nothing is gathered.
  void go_on();
  /// Everything up to `safe` is safe and nothing was rolled back since start(), as far as
  /// rolled_back() did not say so.
  void progressed(Seq safe);
  /// Records above some safe Seq were taken back since start(): a checkpoint that was not known to
  /// be safe before is dropped, even where its Seq was reached again.
  void rolled_back();
  /// Writes one now, on the calling thread, after a running one has ended (dropped if it still
  /// waits to become safe). REQUIRES meta.seq to be the journal's last Seq, and safe.
  [[nodiscard]] store::IoResult<void> write_now(const store::CheckpointMeta& meta,
                                                const store::Tree& tree);

 private:
  enum class Verdict : std::uint8_t { kOpen, kPublish, kDrop };

  [[nodiscard]] store::IoResult<void> write(const store::CheckpointMeta& meta);
  [[nodiscard]] store::IoResult<void> try_to_write(const store::CheckpointMeta& meta);
  void ended(Seq seq, const store::IoResult<void>& result);
  void decide(Verdict verdict);
  void begin_thread(store::CheckpointMeta meta);
  void join();

  store::Env& env_;
  std::string directory_;
  Hooks hooks_;
  std::optional<store::CheckpointMeta> gathering_;
  std::optional<store::Tree> snapshot_;  ///< with system_: read by the thread while there is one
  store::SystemState system_;
  store::IoResult<void> outcome_;  ///< the thread's, until it posts that
  Seq seq_ = 0;
  std::int64_t rests_until_us_ = 0;
  std::mutex mutex_;
  std::condition_variable decided_;
  Verdict verdict_ = Verdict::kOpen;
  std::thread thread_;
};

}  // namespace vxs::daemon
