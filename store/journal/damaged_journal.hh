// The journal of a damaged directory, or of one that cannot take the state that is served: writes
// nothing.
#pragma once

#include <memory>
#include <utility>

#include "store/journal/journal_core.hh"

namespace vxs::store {

class DamagedJournal final : public JournalCore {
 public:
  /// `failure`: of every append.
  DamagedJournal(std::shared_ptr<SegmentStore> store, Seq last_seq, IoError failure)
      : JournalCore(std::move(store), last_seq, /*removes=*/false), failure_(std::move(failure)) {}

  [[nodiscard]] bool immediate() const noexcept override { return true; }
  [[nodiscard]] IoResult<void> append(const Record&) override { return tl::unexpected(failure_); }
  [[nodiscard]] IoResult<void> flush() override { return {}; }
  [[nodiscard]] IoResult<void> take_failure() override { return {}; }
  void rollback() override {}
  [[nodiscard]] bool failing() const noexcept override { return true; }
  [[nodiscard]] bool damaged() const noexcept override { return true; }
  [[nodiscard]] bool probe() override { return false; }
  [[nodiscard]] bool wants_preparation() const noexcept override { return false; }
  void prepare() override {}
  void begin(const SegmentOpening&) override {}

 private:
  IoError failure_;
};

}  // namespace vxs::store
