// Live update, the old program's half: from `live-update -s` to the end of this process
// (docs/design.md, "Live update"). The new program's half is in daemon_update.cc.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "daemon/app/hot_swap.hh"
#include "daemon/app/update_note.hh"
#include "daemon/core/live_update.hh"
#include "daemon/keeper/keeper.hh"
#include "daemon/process/descriptor.hh"

namespace vxs::daemon {

/// One thread, the loop's.
class LiveUpdater final : public UpdateHost {
 public:
  /// What it needs of the daemon.
  struct Hooks {
    /// Why there can be no live update now, as a text for the requester; empty: there can.
    std::function<std::string()> obstacle;
    std::function<bool()> checkpoint_busy;
    /// Begins a checkpoint. False: none can be had.
    std::function<bool()> start_checkpoint;
    /// Begins, on a thread, what stop() would take long for: the hash of the tree as it is.
    std::function<void()> begin_hash;
    std::function<bool()> hash_busy;
    /// Stops serving: what was done is safe and published, and nothing else is done any more unless
    /// the loop runs again. The state's words of the note, or why it could not be.
    std::function<tl::expected<UpdateNote, std::string>()> stop;
    /// There will be no stop().
    std::function<void()> forget_hash;
    /// The requester has its answer: the note may go. At the end of a pass, all being flushed.
    std::function<void()> forget_note;
  };
  /// `keeper` may be nullptr. `patience`: for the new program. All references outlive this object.
  LiveUpdater(LiveUpdate& session, keeper::Keeper* keeper, std::chrono::seconds patience,
              Hooks hooks);

  /// Who is called for files without our note; nullptr: nobody. Outlives this object.
  void set_hot_swap(HotSwap* swap) noexcept { swap_ = swap; }

  // --- UpdateHost --------------------------------------------------------------
  [[nodiscard]] File look_at(const std::string& file) override;
  [[nodiscard]] std::optional<std::string> begin(const UpdateOrder& order) override;
  void cancel() override;
  void answered() override { answered_ = true; }

  /// At the end of each pass of the loop, all outboxes being flushed. Does not return when the new
  /// program is to be started. True: `-s` was answered, and wants to be flushed.
  [[nodiscard]] bool pass();

 private:
  enum class Wait : std::uint8_t { kGoOn, kReady, kFailed };
  /// For the checkpoint that is being written.
  [[nodiscard]] Wait wait_for_checkpoint();
  /// Starts the new program ahead, and looks how far it is.
  [[nodiscard]] Wait wait_for_next();
  void fail(const std::string& text);
  void forget();
  void hand_over();
  /// What the new program is started with.
  [[nodiscard]] std::vector<std::string> words() const;

  LiveUpdate& session_;
  keeper::Keeper* keeper_;
  std::chrono::seconds patience_;
  Hooks hooks_;
  HotSwap* swap_ = nullptr;
  bool swapping_ = false;
  std::optional<UpdateOrder> order_;  ///< of an update that is prepared
  process::Descriptor program_;
  bool checkpointed_ = false;
  /// A checkpoint is being written, and has to be complete by then (-t).
  std::optional<std::chrono::steady_clock::time_point> written_by_;
  /// The new program was started ahead, and has to be prepared by then.
  std::optional<std::chrono::steady_clock::time_point> prepared_by_;
  bool answered_ = false;
};

}  // namespace vxs::daemon
