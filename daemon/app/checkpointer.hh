// Writes checkpoints on a thread of their own, one at a time, from a snapshot
// that the main thread pins meanwhile (design §5).
#pragma once

#include <functional>
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
    std::function<void(Seq seq, const store::IoResult<void>& result)> done;
  };

  Checkpointer(store::Env& env, std::string directory, Hooks hooks);
  ~Checkpointer();
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

  [[nodiscard]] bool busy() const noexcept { return snapshot_.has_value(); }
  /// Begins one. REQUIRES !busy().
  void start(store::CheckpointMeta meta, const store::Tree& tree);
  /// Writes one now, on the calling thread, after a running one has ended.
  [[nodiscard]] store::IoResult<void> write_now(const store::CheckpointMeta& meta,
                                                const store::Tree& tree);

 private:
  void join();

  store::Env& env_;
  std::string directory_;
  Hooks hooks_;
  std::optional<store::Tree> snapshot_;
  std::thread thread_;
};

}  // namespace vxs::daemon
