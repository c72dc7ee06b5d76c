// Makes the next segment on a thread of its own: reserving and mapping 16 MiB takes
// about 10 ms, which no request should wait for.
#pragma once

#include <atomic>
#include <memory>
#include <thread>

#include "store/journal/segment_store.hh"

namespace vxs::store {

/// Used by one thread, the journal's.
class SegmentPreparer {
 public:
  explicit SegmentPreparer(SegmentStore& store) : store_(store) {}
  /// Waits, and discards what was not taken.
  ~SegmentPreparer();
  SegmentPreparer(const SegmentPreparer&) = delete;
  SegmentPreparer& operator=(const SegmentPreparer&) = delete;

  /// REQUIRES: not started().
  void start();
  /// Between start() and take().
  [[nodiscard]] bool started() const noexcept { return started_; }
  /// take() would not wait.
  [[nodiscard]] bool done() const noexcept { return done_.load(std::memory_order_acquire); }
  /// The segment, or why there is none. REQUIRES: started().
  [[nodiscard]] IoResult<std::shared_ptr<Segment>> take();

 private:
  void make() noexcept;

  SegmentStore& store_;
  std::thread thread_;
  std::atomic<bool> done_{false};
  bool started_ = false;
  IoResult<std::shared_ptr<Segment>> result_;
};

}  // namespace vxs::store
