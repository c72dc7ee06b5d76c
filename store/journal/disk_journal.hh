// The journal of policy disk: one sync thread, group commit.
//
// The main thread encodes frames and hands them over at flush(); the sync thread
// takes all there is, writes it, waits for the disk once and raises safe_seq. It
// alone touches the segments after begin().
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "store/journal/batch_writer.hh"
#include "store/journal/journal_core.hh"

namespace vxs::store {

class DiskJournal final : public JournalCore {
 public:
  /// `on_safe` is called on the sync thread.
  DiskJournal(std::shared_ptr<SegmentStore> store, Seq last_seq, std::function<void()> on_safe);
  /// Writes what was flushed, then stops the thread.
  ~DiskJournal() override;

  [[nodiscard]] bool immediate() const noexcept override { return false; }
  [[nodiscard]] IoResult<void> append(const Record& record) override;
  [[nodiscard]] IoResult<void> flush() override;
  [[nodiscard]] IoResult<void> take_failure() override;
  void rollback() override;
  [[nodiscard]] bool failing() const noexcept override;
  [[nodiscard]] bool probe() override;
  /// The sync thread prepares its segments itself.
  [[nodiscard]] bool wants_preparation() const noexcept override { return false; }
  void prepare() override {}
  void begin(const SegmentOpening& opening) override;

 private:
  void run();
  void hand_over(bool whole_pass);
  void write_queued(std::unique_lock<std::mutex>& lock);
  void refuse_queue();
  void repair_now(std::unique_lock<std::mutex>& lock);
  [[nodiscard]] IoResult<void> make_room(std::size_t frame);
  void publish_limit();
  void fail(const IoError& error);
  [[nodiscard]] IoError current_failure() const;

  BatchWriter writer_;
  const std::function<void()> on_safe_;

  // Main thread only.
  std::string pending_;
  std::uint64_t appended_ = 0;  ///< bytes of frames ever accepted
  Seq handed_end_ = 0;          ///< the last end of a pass that was handed over

  std::atomic<bool> failed_{false};
  /// appended_ may grow to here before the segments at hand are full.
  std::atomic<std::uint64_t> limit_{0};

  mutable std::mutex mutex_;
  std::condition_variable work_;  ///< to the sync thread
  std::condition_variable done_;  ///< to the main thread
  std::string queue_;
  std::size_t whole_ = 0;      ///< bytes of queue_ that end a pass
  Seq pass_end_ = 0;           ///< the last Seq of the newest whole pass
  IoError failure_;            ///< why failed_
  bool failure_taken_ = true;  ///< take_failure() told it, or append() did
  bool rollback_due_ = false;  ///< the queue is refused until rollback()
  bool busy_ = false;
  bool repair_wanted_ = false;
  std::size_t room_wanted_ = 0;  ///< a frame that waits for room
  bool stop_ = false;

  std::string writing_;        ///< sync thread only
  std::uint64_t written_ = 0;  ///< bytes of frames written; sync thread, or main when it is idle
  std::thread thread_;
};

}  // namespace vxs::store
