#include "daemon/rings/ring.hh"

#include <algorithm>
#include <string_view>
#include <utility>

namespace vxs::daemon {
namespace {

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

/// The length of the frame at the front. The outbox holds whole frames, so a header is there.
std::size_t frame_size(std::string_view frames) {
  const auto decoded = protocol::decode_frame(frames);
  return protocol::kHeaderSize + decoded.header.len;
}

}  // namespace

Ring::Ring(DomId domid, std::unique_ptr<RingPage> page)
    : domid_(domid), page_(std::move(page)), view_(page_->bytes()) {}

RingInput Ring::receive(std::string& message) {
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
  if (decoded.status == DecodeStatus::kFrame) return RingInput::kMessage;
  partial_ = message;
  return RingInput::kNeedMore;
}

bool Ring::has_input() const noexcept {
  const auto reader = RingReader::look(view_, RingDirection::kRequests);
  return !reader || reader->available() != seen_;
}

std::size_t Ring::whole_frames(std::string_view bytes, std::size_t room) {
  std::size_t count = std::min(frame_left_, room);
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
    writer->write(bytes.substr(0, count));
    writer->publish();
    outbox.sent(count);
    touched = true;
  }
  return outbox.sendable().empty() ? RingOutput::kDone : RingOutput::kMore;
}

void Ring::reset_streams() {
  view_.zero_indices();
  partial_ = std::string();
  frame_left_ = 0;
  seen_ = 0;
  short_of_room_ = false;
}

}  // namespace vxs::daemon
