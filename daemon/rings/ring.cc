#include "daemon/rings/ring.hh"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <utility>

#include "store/crash_point.hh"

namespace vxs::daemon {
namespace {

using protocol::DecodeResult;
using protocol::DecodeStatus;
using protocol::RingDirection;
using protocol::RingReader;
using protocol::RingWriter;

/// Looks at the replies in one turn: a guest that reads as fast as we write must not hold us.
constexpr int kSendLooks = 4;

void append(RingReader& reader, std::string& bytes, std::size_t count) {
  const std::size_t before = bytes.size();
  bytes.resize(before + count);
  reader.read(std::span<char>(bytes).subspan(before));
}

/// The length of the frame at the front. The outbox holds whole frames, but for those that a dying
/// daemon scribbled over: then it is all there is.
std::size_t frame_size(std::string_view frames) {
  const auto decoded = protocol::decode_frame(frames);
  return std::min(protocol::kHeaderSize + decoded.header.len, frames.size());
}

}  // namespace

Ring::Ring(DomId domid, std::unique_ptr<RingPage> page)
    : domid_(domid), page_(std::move(page)), view_(page_->bytes()) {}

RingInput Ring::receive(std::string& message, DecodeResult& frame) {
  if (session) return receive_kept(frame);
  auto reader = RingReader::look(view_, RingDirection::kRequests);
  if (!reader) return RingInput::kBadIndex;
  seen_ = reader->available();
  message.clear();
  if (!partial_.empty() && reader->available() == 0) return RingInput::kNeedMore;
  if (!partial_.empty()) message = std::exchange(partial_, {});

  if (message.empty()) {
    if (reader->available() < protocol::kHeaderSize) return RingInput::kNeedMore;
    append(*reader, message, protocol::kHeaderSize);
    const auto header = protocol::decode_frame(message);
    const bool fits = header.missing <= protocol::kRingSize - protocol::kHeaderSize;
    if (header.status == DecodeStatus::kNeedMore && fits && header.missing > reader->available()) {
      return RingInput::kNeedMore;  // nothing published: it stays in the ring
    }
  }
  auto decoded = protocol::decode_frame(message);
  if (decoded.status == DecodeStatus::kNeedMore) {
    append(*reader, message, std::min<std::size_t>(decoded.missing, reader->available()));
    decoded = protocol::decode_frame(message);
  }
  if (decoded.status == DecodeStatus::kTooLong) return RingInput::kTooLong;
  reader->publish();
  touched = true;
  seen_ = 0;
  if (decoded.status == DecodeStatus::kFrame) {
    frame = decoded;
    return RingInput::kMessage;
  }
  partial_ = message;
  return RingInput::kNeedMore;
}

// The page's index is behind the slot's for a moment only, and the slot says so.
RingInput Ring::receive_kept(DecodeResult& frame) {
  auto reader = RingReader::look(view_, RingDirection::kRequests);
  if (!reader) return RingInput::kBadIndex;
  seen_ = reader->available();
  frame = protocol::decode_frame(session->unhandled());
  // Twice at most: a header, and the rest.
  while (frame.status == DecodeStatus::kNeedMore && reader->available() > 0) {
    DecodeResult announced = frame;
    if (session->unhandled().empty()) {
      if (reader->available() < protocol::kHeaderSize) return RingInput::kNeedMore;
      std::array<char, protocol::kHeaderSize> header;
      reader->peek(header);
      announced = protocol::decode_frame({header.data(), header.size()});
      if (announced.status == DecodeStatus::kTooLong) return RingInput::kTooLong;
      announced.missing += protocol::kHeaderSize;
      const bool fits = announced.missing <= protocol::kRingSize;
      if (fits && announced.missing > reader->available()) return RingInput::kNeedMore;
    }
    if (!take(*reader, std::min<std::size_t>(announced.missing, reader->available()))) {
      return RingInput::kNeedMore;
    }
    // What was announced may be another thing than what was taken: the guest writes when it likes.
    frame = protocol::decode_frame(session->unhandled());
  }
  if (frame.status == DecodeStatus::kTooLong) return RingInput::kTooLong;
  if (frame.status == DecodeStatus::kNeedMore) return RingInput::kNeedMore;
  seen_ = 0;
  return RingInput::kMessage;
}

bool Ring::take(RingReader& reader, std::size_t count) {
  WireSlot& slot = session->slot();
  const std::span<char> room = slot.input_room(count);
  if (room.size() < count) return false;
  // Guests that begin anew write zeroes over all of the page (hvmloader does).
  if (reader.cons() != slot.req_cons()) slot.set_ring_indices(reader.cons(), slot.rsp_prod());
  reader.read(room);
  slot.begin_taking(count);
  VXS_CRASH_POINT("ring-taking");
  reader.publish();
  VXS_CRASH_POINT("ring-taken");
  slot.finish_taking();
  touched = true;
  seen_ = 0;
  return true;
}

bool Ring::take_up() {
  WireSlot& slot = session->slot();
  const std::uint32_t cons = view_.load(protocol::kRingReqCons);
  const std::uint32_t taking = slot.unfinished_taking();
  if (taking != 0 && cons == slot.req_cons() - taking) {
    view_.store(protocol::kRingReqCons, slot.req_cons());
  } else if (cons != slot.req_cons()) {
    slot.set_ring_indices(cons, slot.rsp_prod());
  }
  slot.finish_taking();

  const std::uint32_t prod = view_.load(protocol::kRingRspProd);
  if (const std::size_t sending = slot.unfinished_send(); sending != 0) {
    const std::uint32_t moved = prod - slot.rsp_prod();
    if (moved > sending) return false;
    slot.finish_send(moved);
  } else if (prod != slot.rsp_prod()) {
    slot.set_ring_indices(slot.req_cons(), prod);
  }
  return true;
}

bool Ring::has_input() const noexcept {
  if (session) {
    const auto frame = protocol::decode_frame(session->unhandled());
    if (frame.status != DecodeStatus::kNeedMore) return true;
  }
  const auto reader = RingReader::look(view_, RingDirection::kRequests);
  return !reader || reader->available() != seen_;
}

std::size_t Ring::whole_frames(std::string_view bytes, std::size_t room) {
  std::size_t count = std::min({frame_left_, room, bytes.size()});
  frame_left_ -= count;
  while (frame_left_ == 0 && count < bytes.size()) {
    const std::size_t size = frame_size(bytes.substr(count));
    if (size <= room - count) {
      count += size;
    } else if (size > protocol::kRingSize && count < room) {
      frame_left_ = size - (room - count);
      count = room;
    } else {
      break;
    }
  }
  return count;
}

RingOutput Ring::send(Outbox& outbox) {
  short_of_room_ = false;
  for (int tries = 0; tries < kSendLooks; ++tries) {
    const std::string_view bytes = outbox.sendable();
    if (bytes.empty()) return RingOutput::kDone;
    auto writer = RingWriter::look(view_, RingDirection::kReplies);
    if (!writer) return RingOutput::kBadIndex;
    const std::size_t count = whole_frames(bytes, writer->room());
    if (count == 0) {
      short_of_room_ = writer->room() > 0;
      return RingOutput::kFull;
    }
    if (session) {
      WireSlot& slot = session->slot();
      if (writer->prod() != slot.rsp_prod()) slot.set_ring_indices(slot.req_cons(), writer->prod());
      slot.begin_send(count);
    }
    VXS_CRASH_POINT("ring-send-begun");
    writer->write(bytes.substr(0, count));
    VXS_CRASH_POINT("ring-copied");
    writer->publish();
    VXS_CRASH_POINT("ring-sent");
    if (session) session->slot().finish_send(count);
    outbox.sent(count);
    touched = true;
  }
  return outbox.sendable().empty() ? RingOutput::kDone : RingOutput::kMore;
}

void Ring::reset_streams() {
  if (session) {
    session->slot().finish_taking();
    session->slot().set_ring_indices(0, 0);
  }
  view_.zero_indices();
  partial_ = std::string();
  frame_left_ = 0;
  seen_ = 0;
  short_of_room_ = false;
}

}  // namespace vxs::daemon
