// Records that wait to become one commit, as its message will show them.
#pragma once

#include <deque>
#include <span>
#include <string>
#include <vector>

#include "store/history/commit_message.hh"

namespace vxs::store {

class OpenFold {
 public:
  /// Beyond so many bytes of text a fold takes no more.
  static constexpr std::size_t kMostBytes = 64U << 10U;

  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  [[nodiscard]] bool is_full() const noexcept { return lines_.size() >= kMostBytes; }
  [[nodiscard]] bool one_domain() const noexcept { return one_domain_; }
  /// Of the last record.
  [[nodiscard]] Seq seq() const noexcept { return last_seq_; }
  [[nodiscard]] std::int64_t time() const noexcept { return time_; }

  /// Adds a record whose changes have been applied. Nothing given needs to outlive the call.
  /// `time`: seconds. REQUIRES: parts.kind == kOrdinary.
  void add(const MessageParts& parts, std::span<const ShownChange> changes, std::int64_t time);
  /// Subject and trailers of the commit; of a single record those of an ordinary commit. Valid
  /// until the next add() or clear(), `parts.changes` too.
  [[nodiscard]] const MessageParts& parts() const noexcept { return parts_; }
  [[nodiscard]] std::string message() const;
  void clear();

 private:
  MessageParts parts_;  // of the first record, with views into this object
  std::string command_, note_, boot_id_;
  std::deque<std::string> paths_;
  std::vector<ShownChange> changes_;
  std::string lines_;  // Record: and Request:
  std::size_t count_ = 0;
  Seq last_seq_ = 0;
  std::int64_t time_ = 0;
  bool one_domain_ = true;
};

}  // namespace vxs::store
