// The bytes of an outbox in a slot of the wire area.
#pragma once

#include "daemon/core/outbox_bytes.hh"
#include "daemon/wire_area/wire_slot.hh"

namespace vxs::daemon {

/// Begins at the slot's published out_begin, with what it holds. The slot outlives this object,
/// whose end forgets nothing. What is appended is the slot's, but published by
/// WireSlot::publish() only. One thread.
class SlotBytes final : public OutboxBytes {
 public:
  explicit SlotBytes(WireSlot& slot) : slot_(slot), base_(slot.output().begin()) {}

  /// Where view() begins, as a position of the slot's output.
  [[nodiscard]] std::uint64_t base() const noexcept { return base_; }

  [[nodiscard]] std::string_view view() const noexcept override;
  [[nodiscard]] bool append(std::string_view header, std::string_view payload) override;
  void drop_front(std::size_t count) override { base_ += count; }
  [[nodiscard]] bool replace(std::size_t from, std::string_view rest,
                             std::size_t may_leave) override;
  /// What was half sent is forgotten too.
  void clear() noexcept override;

 private:
  WireSlot& slot_;
  std::uint64_t base_;
};

}  // namespace vxs::daemon
