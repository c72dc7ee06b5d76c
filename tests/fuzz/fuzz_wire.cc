// Input: one byte that says in what pieces the stream arrives, then the stream.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/wire.hh"
#include "tests/fuzz/check.hh"

namespace {

using vxs::fuzz::check;
using vxs::fuzz::lies_in;
using namespace vxs::protocol;

struct Decoded {
  std::vector<std::string> frames;  // header and payload, encoded again
  DecodeStatus end = DecodeStatus::kNeedMore;
  std::string left;
  friend bool operator==(const Decoded&, const Decoded&) = default;
};

std::string encode_again(const DecodeResult& frame) {
  const auto header = encode_header(frame.header);
  return std::string(header.data(), header.size()).append(frame.payload);
}

void check_one(const DecodeResult& result, std::string_view buffered) {
  switch (result.status) {
    case DecodeStatus::kFrame:
      check(result.consumed == kHeaderSize + result.header.len, "consumed is the frame's length");
      check(result.consumed <= buffered.size(), "consumed what is there");
      check(result.payload.size() == result.header.len, "payload is as long as said");
      check(result.payload.size() <= kMaxPayload, "payload is within the limit");
      check(lies_in(result.payload, buffered), "payload is a view of the buffer");
      check(encode_again(result) == buffered.substr(0, result.consumed), "frame encodes again");
      check(result.missing == 0, "a frame misses nothing");
      break;
    case DecodeStatus::kNeedMore:
      check(result.missing > 0, "something is missing");
      check(buffered.size() + result.missing <= kHeaderSize + kMaxPayload, "wait is bounded");
      check(result.consumed == 0 && result.payload.empty(), "nothing taken yet");
      break;
    case DecodeStatus::kTooLong:
      check(result.header.len > kMaxPayload, "too long means over the limit");
      check(result.consumed == 0 && result.payload.empty(), "nothing taken of a long frame");
      break;
  }
}

Decoded decode(std::string_view stream, std::size_t piece) {
  Decoded decoded;
  std::size_t arrived = 0;
  std::size_t taken = 0;
  do {
    arrived = std::min(stream.size(), arrived + piece);
    while (true) {
      const std::string_view buffered = stream.substr(taken, arrived - taken);
      const DecodeResult result = decode_frame(buffered);
      check_one(result, buffered);
      decoded.end = result.status;
      if (result.status != DecodeStatus::kFrame) break;
      decoded.frames.push_back(encode_again(result));
      taken += result.consumed;
    }
  } while (arrived < stream.size() && decoded.end != DecodeStatus::kTooLong);
  decoded.left = stream.substr(taken);
  return decoded;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Decoded whole = decode(stream, stream.size() + 1);
  check(whole == decode(stream, std::size_t{data[0]} + 1), "fragments decode as the whole");
  for (const std::string& frame : whole.frames) {
    const DecodeResult result = decode_frame(frame);
    check(message_name(result.header.type) != "UNKNOWN" || !is_request_type(result.header.type),
          "every request has a name");
    std::string built;
    check(append_frame(built, static_cast<MessageType>(result.header.type), result.header.req_id,
                       result.header.tx_id, result.payload),
          "what was decoded can be sent");
    check(built == frame, "append_frame writes what decode_frame reads");
  }
  return 0;
}
