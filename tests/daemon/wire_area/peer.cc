#include "tests/daemon/wire_area/peer.hh"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>

namespace vxs::daemon::test {
namespace {

/// Requests on their way.
constexpr std::uint64_t kWindow = 400;

}  // namespace

bool Peer::pump(std::mt19937_64& random, bool ask) {
  write(random, ask);
  if (asleep_ > 0 && ask) {
    --asleep_;
    return true;
  }
  if (random() % 2000 == 0) asleep_ = 3000;
  return read(random);
}

void Peer::write(std::mt19937_64& random, bool ask) {
  while (ask && outgoing_.size() < 6000 && asked_ < answered_ + kWindow && random() % 8 != 0) {
    outgoing_ += make_frame(FrameKind::kRequest, id_, ++asked_);
  }
  if (outgoing_.empty()) return;
  const std::size_t part = random() % 2 == 0 ? outgoing_.size() : 1 + random() % outgoing_.size();
  const ssize_t count = ::send(fd_.get(), outgoing_.data(), part, MSG_NOSIGNAL);
  if (count > 0) outgoing_.erase(0, static_cast<std::size_t>(count));
}

bool Peer::read(std::mt19937_64& random) {
  char buffer[16384];
  const std::size_t part = random() % 4 == 0 ? 1 + random() % 100 : sizeof buffer;
  const ssize_t count = ::recv(fd_.get(), buffer, part, 0);
  if (count == 0) problem_ = fmt::format("connection {} was closed", id_);
  if (count > 0) incoming_.append(buffer, static_cast<std::size_t>(count));
  std::size_t taken = 0;
  while (problem_.empty()) {
    const auto frame = first_frame(std::string_view(incoming_).substr(taken));
    if (!frame) break;
    if (!take(*frame)) {
      problem_ = fmt::format("connection {}: frame {} of kind {:x} after reply {}", id_,
                             frame->number, static_cast<unsigned>(frame->kind), answered_);
    }
    taken += frame->size;
  }
  incoming_.erase(0, taken);
  return problem_.empty();
}

bool Peer::take(const Frame& frame) {
  if (!is_true(frame, id_)) return false;
  if (frame.kind == FrameKind::kEvent) {
    if (frame.number != event_due_) return false;
    event_due_ = 0;
    return true;
  }
  if (frame.kind != FrameKind::kReply || frame.number != answered_ + 1) return false;
  if (event_due_ != 0 && !may_drop_events(id_)) return false;  // it was lost
  answered_ = frame.number;
  event_due_ = has_event(answered_) ? answered_ : 0;
  return true;
}

}  // namespace vxs::daemon::test
