// The journal over mapped memory: policy process on tmpfs, and policy memory.
// An append is a memcpy and one release store.
#pragma once

#include <memory>
#include <utility>

#include "store/journal/journal_core.hh"
#include "store/journal/segment_preparer.hh"

namespace vxs::store {

class MappedJournal final : public JournalCore {
 public:
  MappedJournal(std::shared_ptr<SegmentStore> store, Seq last_seq)
      : JournalCore(std::move(store), last_seq), preparer_(*store_) {}
  ~MappedJournal() override;

  [[nodiscard]] bool immediate() const noexcept override { return true; }
  [[nodiscard]] IoResult<void> append(const Record& record) override;
  [[nodiscard]] IoResult<void> flush() override { return {}; }
  [[nodiscard]] IoResult<void> take_failure() override { return {}; }
  void rollback() override {}
  [[nodiscard]] bool failing() const noexcept override { return failure_.code != 0; }
  [[nodiscard]] bool probe() override;
  [[nodiscard]] bool wants_preparation() const noexcept override;
  void prepare() override;
  void begin(const SegmentOpening& opening) override;

 private:
  [[nodiscard]] IoResult<void> next_segment(std::size_t frame);
  void enter(std::shared_ptr<Segment> segment, const SegmentOpening& opening);

  void collect_prepared();

  SegmentPreparer preparer_;
  std::shared_ptr<Segment> current_;
  std::shared_ptr<Segment> next_;
  char* base_ = nullptr;  ///< of current_
  std::size_t fill_ = 0;
  std::size_t size_ = 0;
  std::size_t prepare_at_ = 0;  ///< fill from which the next segment is wanted
  SegmentOpening pending_;      ///< of a first segment that could not be made yet
  IoError failure_;             ///< code 0: none
};

}  // namespace vxs::store
