// The segments of one journal: makes, numbers, counts and removes their files, and
// knows which holds which Seq. Shared by the writer and the readers of one process.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "store/env.hh"
#include "store/journal/format.hh"
#include "store/journal/journal.hh"

namespace vxs::store {

/// One segment. What is const after creation may be read by any thread.
struct Segment {
  SegmentIdentity identity;
  std::uint32_t seed = 0;
  std::string path;                     ///< empty: anonymous memory
  std::unique_ptr<EnvMapping> mapping;  ///< kMapped, made by this process
  std::unique_ptr<EnvFile> file;        ///< kWritten, made by this process; the writer's alone

  // The rest is guarded by the SegmentStore's mutex.
  SegmentOpening opening;
  bool open = false;        ///< the writer appends here: its last Seq is not known yet
  Seq last_seq = 0;         ///< of a closed one; below opening.first_seq: no record
  std::uint64_t bytes = 0;  ///< charged to the budget
};

class SegmentStore {
 public:
  ~SegmentStore();
  SegmentStore(const SegmentStore&) = delete;
  SegmentStore& operator=(const SegmentStore&) = delete;
  /// `incarnation` and `first_number` go into the segments made here.
  SegmentStore(Env& env, const JournalOptions& options, SegmentKind kind, std::uint64_t incarnation,
               std::uint64_t first_number);

  /// A new, zeroed, preallocated segment with its identity written, of options.segment_bytes or
  /// more where `frame_bytes` needs it; of `at_most` if that is less. Any thread. Errors: ENOSPC
  /// beyond the budget, and what the Env says; then no file is left behind.
  [[nodiscard]] IoResult<std::shared_ptr<Segment>> create(std::size_t frame_bytes = 0,
                                                          std::uint64_t at_most = ~std::uint64_t{
                                                              0});
  /// True if a record of that frame size could never be taken, whatever is freed.
  [[nodiscard]] bool exceeds_budget(std::size_t frame_bytes) const noexcept;
  /// True if with one more segment for such a frame more than half of the budget is used: too much
  /// to keep what only a damaged checkpoint would need.
  [[nodiscard]] bool is_pressed(std::size_t frame_bytes = 0) const noexcept;

  /// Closes the open segment at opening.continues_from and makes `segment` the open one, writing
  /// its opening block; not synced. On error nothing changes.
  [[nodiscard]] IoResult<void> activate(const std::shared_ptr<Segment>& segment,
                                        const SegmentOpening& opening);
  /// Makes the names of the segments durable.
  [[nodiscard]] IoResult<void> sync_names();
  /// Says that the open segment ends at `last_seq`, and leaves none open.
  void close_open(Seq last_seq);
  /// Removes a segment that was never activated.
  void discard(std::shared_ptr<Segment> segment);
  /// Removes one that was activated or discarded and whose records do not count. False: its file
  /// is still there.
  [[nodiscard]] bool take_back(const std::shared_ptr<Segment>& segment);
  /// Takes in a segment found by recovery, closed, in order.
  void adopt(std::shared_ptr<Segment> segment);
  /// Removes the segments with no record above `covered`. The writer's thread only.
  void remove_covered(Seq covered);
  /// Removes closed segments without any record, once a later one says where the log stands.
  void remove_empty();

  struct Found {
    std::shared_ptr<Segment> segment;
    Seq last_seq = 0;  ///< meaningless while the segment is open
    bool open = false;
  };
  /// The segment with the record `seq` (or where it will be), nothing if there is none.
  [[nodiscard]] Found find(Seq seq) const;

  [[nodiscard]] std::uint64_t bytes() const noexcept {
    return bytes_.load(std::memory_order_relaxed);
  }
  /// Everything up to here is safe under the policy. Raised by the writer, read by all.
  std::atomic<Seq> safe_seq{0};

 private:
  [[nodiscard]] IoResult<std::shared_ptr<Segment>> make(std::uint64_t number, std::uint64_t size);
  [[nodiscard]] IoResult<void> make_written(Segment& segment, const std::string& identity);
  [[nodiscard]] bool remove(const Segment& segment);
  void bury(std::vector<std::shared_ptr<Segment>> gone);
  void forget_bytes(std::uint64_t size) noexcept;

  Env& env_;
  const JournalOptions options_;
  const SegmentKind kind_;
  const std::uint64_t incarnation_;
  mutable std::mutex mutex_;
  std::uint64_t next_number_;
  std::vector<std::shared_ptr<Segment>> segments_;  ///< activated ones, oldest first
  std::atomic<std::uint64_t> bytes_{0};
  std::thread burial_;  ///< of remove_covered()'s caller
};

}  // namespace vxs::store
