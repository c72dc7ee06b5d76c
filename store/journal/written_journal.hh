// The journal by pwrite: policy process where the directory is no memory file system.
#pragma once

#include <memory>
#include <string>

#include "store/journal/batch_writer.hh"
#include "store/journal/journal_core.hh"

namespace vxs::store {

class WrittenJournal final : public JournalCore {
 public:
  WrittenJournal(std::shared_ptr<SegmentStore> store, Seq last_seq);

  [[nodiscard]] bool immediate() const noexcept override { return false; }
  [[nodiscard]] IoResult<void> append(const Record& record) override;
  [[nodiscard]] IoResult<void> flush() override;
  [[nodiscard]] IoResult<void> take_failure() override { return {}; }
  void rollback() override;
  [[nodiscard]] bool failing() const noexcept override { return failure_.code != 0; }
  [[nodiscard]] bool probe() override;
  [[nodiscard]] bool wants_preparation() const noexcept override;
  void prepare() override;
  void begin(const SegmentOpening& opening) override;

 private:
  [[nodiscard]] IoResult<void> hand_over();

  BatchWriter writer_;
  std::string pending_;  ///< frames appended since the last flush, not sealed
  std::uint64_t retry_preparation_below_ = ~std::uint64_t{0};
  bool rollback_due_ = false;
  IoError failure_;  ///< code 0: none
};

}  // namespace vxs::store
