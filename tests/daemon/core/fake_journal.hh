// A journal in memory that keeps nothing and fails as told.
#pragma once

#include <cerrno>
#include <optional>
#include <variant>
#include <vector>

#include "store/journal/journal.hh"
#include "store/journal/record_codec.hh"

namespace vxs::test {

class FakeJournal final : public store::Journal {
 public:
  enum class Mode {
    kImmediate,  // safe when append() returns
    kOnFlush,    // safe when flush() returns: pwrite
    kLater,      // safe when the test says so: a sync thread
  };
  explicit FakeJournal(Mode mode) : mode_(mode) {}

  // The next calls fail with this errno until it is 0 again.
  int append_errno = 0;
  int flush_errno = 0;
  int late_errno = 0;  // what take_failure() reports, once
  bool is_damaged = false;
  std::uint64_t journal_bytes = 0;
  std::uint64_t appended_bytes = 0;
  // The records that count: not those a rollback took.
  std::vector<std::size_t> kinds;          // index into store::Record
  std::vector<store::RequestId> requests;  // what each of them carried out

  // kLater: everything flushed up to `seq` is safe.
  void make_safe(Seq seq) { safe_ = seq; }

  Seq last_seq() const noexcept override { return last_; }
  // kLater: everything is safe at the look after the next one.
  bool safe_after_next_look = false;
  Seq safe_seq() const noexcept override {
    const Seq seen = safe_;
    if (safe_after_next_look) safe_ = last_;
    return seen;
  }
  bool immediate() const noexcept override { return mode_ == Mode::kImmediate; }
  store::IoResult<void> append(const store::Record& record) override {
    if (append_errno != 0 || store::record_seq(record) != last_ + 1) {
      failing_ = true;
      return tl::unexpected(store::make_io_error(append_errno, "append to", "the fake journal"));
    }
    failing_ = false;
    if (std::size_t size = 0; encoder_.measure(record, size)) appended_bytes += size;
    ++last_;
    kinds.push_back(record.index());
    requests.push_back(request_of(record));
    if (immediate()) safe_ = last_;
    return {};
  }
  store::IoResult<void> flush() override {
    if (flush_errno != 0) {
      return tl::unexpected(store::make_io_error(flush_errno, "write", "the fake journal"));
    }
    if (mode_ != Mode::kLater) safe_ = last_;
    return {};
  }
  store::IoResult<void> take_failure() override {
    if (late_errno == 0) return {};
    const int code = std::exchange(late_errno, 0);
    return tl::unexpected(store::make_io_error(code, "fdatasync", "the fake journal"));
  }
  void rollback() override {
    last_ = safe_;
    kinds.resize(last_);
    requests.resize(last_);
  }
  bool failing() const noexcept override { return failing_; }
  bool damaged() const noexcept override { return is_damaged; }
  bool probe() override {
    failing_ = append_errno != 0;
    return !failing_;
  }
  bool wants_preparation() const noexcept override { return false; }
  void prepare() override {}
  std::uint64_t bytes() const noexcept override { return journal_bytes; }
  std::uint64_t bytes_since_checkpoint() const noexcept override { return appended_bytes; }
  void checkpoint_done(Seq) override {}
  void history_done(Seq) override {}

 private:
  static store::RequestId request_of(const store::Record& record) {
    if (const auto* commit = std::get_if<store::CommitRecord>(&record)) {
      return {commit->origin.connection, commit->origin.ordinal};
    }
    if (const auto* conflict = std::get_if<store::ConflictRecord>(&record)) {
      return {conflict->origin.connection, conflict->origin.ordinal};
    }
    const auto* state = std::get_if<store::StateRecord>(&record);
    return state != nullptr ? state->request : store::RequestId{};
  }

  Mode mode_;
  Seq last_ = 0;
  mutable Seq safe_ = 0;
  bool failing_ = false;
  store::RecordEncoder encoder_;
};

}  // namespace vxs::test
