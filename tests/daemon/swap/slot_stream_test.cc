// A connection from the state stream to a slot of the wire area and back (H9).
#include "daemon/swap/slot_stream.hh"

#include <gtest/gtest.h>

#include "daemon/wire_area/wire_area.hh"
#include "protocol/wire.hh"

namespace vxs::swap {
namespace {

using daemon::WireArea;
using daemon::WireSlot;
using store::migration::LiveConnection;

std::string frame(std::size_t payload, protocol::MessageType type = protocol::MessageType::kRead) {
  std::string bytes;
  EXPECT_TRUE(protocol::append_frame(bytes, type, 7, 0, std::string(payload, 'x')));
  return bytes;
}

class SlotStream : public testing::Test {
 protected:
  WireSlot& open() {
    const auto slot = area_->open_slot({.connection = 5, .descriptor = 9, .peer = {}});
    EXPECT_TRUE(slot.has_value());
    return **slot;
  }
  // As the daemon that starts next finds it.
  WireSlot& adopted() {
    process::Descriptor fd(::dup(area_->fd()));
    area_.reset();
    area_ = std::move(*WireArea::adopt(std::move(fd)));
    return *area_->open_slots().front();
  }

  std::unique_ptr<WireArea> area_ =
      std::move(*WireArea::create({.slots = 4, .output_limit = 1 << 20, .log_limit = 1 << 16}));
};

TEST_F(SlotStream, H9_WhatIsOnItsWayComesBackAsItWas) {
  LiveConnection live{.id = 5, .input = frame(10) + frame(100).substr(0, 20), .output = frame(3)};
  ASSERT_TRUE(fill_slot(live, open()));
  WireSlot& slot = adopted();
  EXPECT_EQ(slot.input(slot.progress().in_begin), live.input);
  EXPECT_EQ(slot.sendable(), live.output);
  EXPECT_EQ(slot.progress().handled, 0U);
  EXPECT_EQ(slot.next_tx(), kFirstTxId);
  EXPECT_EQ(read_slot(slot), live);
}

TEST_F(SlotStream, AnIdleConnectionHasNothingOnItsWay) {
  ASSERT_TRUE(fill_slot(LiveConnection{.id = 5}, open()));
  EXPECT_EQ(read_slot(adopted()), LiveConnection{.id = 5});
}

TEST_F(SlotStream, H9_InputThatNoClientCanHaveSentIsRefused) {
  LiveConnection live{.id = 5, .input = std::string(20'000, 'x')};
  EXPECT_FALSE(fill_slot(live, open()));
}

// The first `cut` bytes of the first reply were sent: whatever they were, the rest goes out as it
// is, and the next frame is found behind it.
TEST_F(SlotStream, H9_TheRestOfAHalfSentFrameIsTheRestOfOne) {
  for (const std::size_t payload : {0U, 1U, 5U, 16U, 4080U, 4095U, 4096U}) {
    const std::string half = frame(payload);
    for (std::size_t cut = 1; cut < half.size(); cut += cut < 20 ? 1 : 997) {
      SCOPED_TRACE(testing::Message() << payload << " bytes, cut at " << cut);
      const std::string rest = half.substr(cut);
      LiveConnection live{
          .id = 5, .output = rest + frame(8), .partial = static_cast<std::uint16_t>(rest.size())};
      const std::string front = missing_front(rest);
      const auto decoded = protocol::decode_frame(front + live.output);
      ASSERT_EQ(decoded.status, protocol::DecodeStatus::kFrame);
      EXPECT_EQ(decoded.consumed, front.size() + rest.size());
      WireSlot& slot = open();
      ASSERT_TRUE(fill_slot(live, slot));
      EXPECT_EQ(slot.sendable(), live.output);
      EXPECT_EQ(read_slot(slot), live);
      area_->close_slot(slot);
    }
  }
}

}  // namespace
}  // namespace vxs::swap
