// A guest's side of a ring page, wherever the page lies: requests in, replies and events out. Knows
// no event channel: who uses it signals.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/ring_page.hh"
#include "protocol/wire.hh"

namespace vxs::support {

class RingGuest {
 public:
  struct Frame {
    protocol::Header header;
    std::string payload;
  };

  explicit RingGuest(protocol::RingPageView page) : page_(page) {}

  [[nodiscard]] protocol::RingPageView page() const noexcept { return page_; }

  [[nodiscard]] static std::string frame(std::uint32_t type, std::string_view payload,
                                         std::uint32_t tx_id = 0, std::uint32_t req_id = 0) {
    const auto header =
        protocol::encode_header({.type = type,
                                 .req_id = req_id,
                                 .tx_id = tx_id,
                                 .len = static_cast<std::uint32_t>(payload.size())});
    return std::string(header.data(), header.size()).append(payload);
  }

  // Puts as many bytes into the ring as there is room for, `limit` at most; how many.
  std::size_t put(std::string_view bytes, std::size_t limit = protocol::kRingSize) {
    auto writer = protocol::RingWriter::look(page_, protocol::RingDirection::kRequests);
    if (!writer) return 0;
    const std::size_t count = std::min<std::size_t>({bytes.size(), limit, writer->room()});
    writer->write(bytes.substr(0, count));
    writer->publish();
    return count;
  }

  // Takes up to `limit` bytes of the replies; true if there were any.
  bool take(std::size_t limit = protocol::kRingSize) {
    auto reader = protocol::RingReader::look(page_, protocol::RingDirection::kReplies);
    if (!reader) return false;
    const std::size_t before = taken_.size();
    const std::size_t count = std::min<std::size_t>(limit, reader->available());
    taken_.resize(before + count);
    reader->read(std::span<char>(taken_).subspan(before));
    reader->publish();
    return count > 0;
  }

  // The next whole frame among the bytes taken.
  std::optional<Frame> next() {
    const auto decoded = protocol::decode_frame(taken_);
    if (decoded.status != protocol::DecodeStatus::kFrame) return std::nullopt;
    Frame frame{.header = decoded.header, .payload = std::string(decoded.payload)};
    taken_.erase(0, decoded.consumed);
    return frame;
  }

  // Bytes taken that are no whole frame yet.
  [[nodiscard]] std::size_t half() const noexcept { return taken_.size(); }
  // Forgets them, as a guest that connects anew does.
  void forget() { taken_.clear(); }

 private:
  protocol::RingPageView page_;
  std::string taken_;
};

}  // namespace vxs::support
