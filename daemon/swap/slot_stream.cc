#include "daemon/swap/slot_stream.hh"

#include <algorithm>
#include <cstring>
#include <span>

#include "protocol/wire.hh"

namespace vxs::swap {

using daemon::WireSlot;
using store::migration::LiveConnection;

namespace {

constexpr std::size_t kLengthAt = 12;  // of the field "len" in a header (A5)

/// A frame of that many bytes in all, and nothing else about it.
std::string front_of(std::size_t frame_bytes) {
  const auto header = protocol::encode_header(
      {.type = static_cast<std::uint32_t>(protocol::MessageType::kDirectory),
       .req_id = 0,
       .tx_id = 0,
       .len = static_cast<std::uint32_t>(frame_bytes - protocol::kHeaderSize)});
  return {header.data(), header.size()};
}

}  // namespace

std::string missing_front(std::string_view rest) {
  const std::size_t most = protocol::kHeaderSize + protocol::kMaxPayload;
  if (rest.size() <= protocol::kMaxPayload) return front_of(protocol::kHeaderSize + rest.size());
  // Longer than any payload: so part of the header is in it, and what is there of the length must
  // be right. How much is missing is not known; any answer that fits ends the frame where it ends.
  for (std::size_t missing = most - rest.size(); missing > 0; --missing) {
    std::string front = front_of(rest.size() + missing);
    const std::size_t from = std::max(missing, kLengthAt);
    if (front.compare(from, std::string::npos,
                      rest.substr(from - missing, protocol::kHeaderSize - from)) == 0) {
      front.resize(missing);
      return front;
    }
  }
  return front_of(most).substr(0, most - rest.size());
}

bool fill_slot(const LiveConnection& from, WireSlot& slot) {
  if (!from.input.empty()) {
    const std::span<char> room = slot.input_room();
    if (room.size() < from.input.size()) return false;
    std::memcpy(room.data(), from.input.data(), from.input.size());
    slot.add_input(from.input.size());
  }
  std::string front;
  if (from.partial != 0) {
    const auto rest = std::string_view(from.output).substr(0, from.partial);
    if (rest.size() >= protocol::kHeaderSize + protocol::kMaxPayload) return false;
    front = missing_front(rest);
  }
  if (!slot.output().append(front) || !slot.output().append(from.output)) return false;
  auto progress = slot.progress();
  progress.out_end = slot.output().end();
  slot.publish(progress);
  slot.finish_send(front.size());
  slot.set_next_tx(kFirstTxId);
  return true;
}

LiveConnection read_slot(const WireSlot& slot) {
  const auto progress = slot.progress();
  LiveConnection live;
  live.id = slot.connection();
  live.input = slot.input(progress.in_begin);
  live.output = slot.sendable();
  const auto& output = slot.output();
  for (std::uint64_t at = progress.out_begin; at < slot.sent() && !live.output.empty();) {
    const auto frame = protocol::decode_frame(output.view(at, output.published_end()));
    if (frame.status != protocol::DecodeStatus::kFrame) break;  // it was written whole
    at += frame.consumed;
    if (at > slot.sent()) live.partial = static_cast<std::uint16_t>(at - slot.sent());
  }
  return live;
}

}  // namespace vxs::swap
