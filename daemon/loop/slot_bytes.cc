#include "daemon/loop/slot_bytes.hh"

#include <algorithm>

namespace vxs::daemon {

// Between the last byte's sending and the next append the slot may have forgotten what was sent;
// nothing of it is in an outbox's view then, for the outbox forgets it with sent().
std::string_view SlotBytes::view() const noexcept {
  const WireBytes& output = slot_.output();
  return base_ >= output.end() ? std::string_view() : output.view(base_, output.end());
}

bool SlotBytes::append(std::string_view header, std::string_view payload) {
  WireBytes& output = slot_.output();
  const std::uint64_t before = output.end();
  if (!output.append(header)) return false;
  if (output.append(payload)) return true;
  output.truncate(before);
  return false;
}

bool SlotBytes::replace(std::size_t from, std::string_view rest, std::size_t may_leave) {
  WireBytes& output = slot_.output();
  const std::uint64_t published = output.published_end();
  const std::uint64_t at = base_ + from;
  return output.rewrite(at, rest, published <= at ? published : base_ + may_leave);
}

void SlotBytes::clear() noexcept {
  WireBytes& output = slot_.output();
  if (output.published_end() > slot_.sent()) {
    (void)output.rewrite(slot_.sent(), {}, slot_.sent());
  } else {
    output.truncate(output.published_end());
  }
  base_ = output.end();
}

}  // namespace vxs::daemon
