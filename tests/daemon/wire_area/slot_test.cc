// A connection's slot: bytes in, bytes out, and what a successor makes of a process that was killed
// between the system call and its note of it.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "tests/daemon/wire_area/support.hh"

namespace vxs::daemon::test {
namespace {

class WireSlotTest : public testing::Test {
 protected:
  void restart() {
    area_ = test::restart(std::move(area_));
    slot_ = find_slot(*area_, 1);
    ASSERT_NE(slot_, nullptr);
    ASSERT_TRUE(slot_->attach(pair_.ours.get()).has_value());
  }
  std::string unhandled() { return std::string(slot_->input(slot_->progress().in_begin)); }
  void publish(std::uint64_t in_begin, std::uint64_t handled) {
    auto progress = slot_->progress();
    progress.in_begin = in_begin;
    progress.handled = handled;
    progress.out_end = slot_->output().end();
    progress.log_end = slot_->log().end();
    slot_->publish(progress);
  }
  void send_published(std::string_view bytes) {
    ASSERT_TRUE(slot_->output().append(bytes));
    publish(slot_->progress().in_begin, slot_->progress().handled);
  }

  std::unique_ptr<WireArea> area_ = make_area();
  WireSlot* slot_ = &test::open_slot(*area_, 1);
  Pair pair_ = make_pair();
};

TEST_F(WireSlotTest, WhoItIsOutlivesTheProcess) {
  slot_->set_next_tx(77);
  slot_->set_features(14);
  slot_->set_command("a-command-of-twenty-one");
  restart();
  EXPECT_EQ(slot_->connection(), 1U);
  EXPECT_EQ(slot_->descriptor(), 101U);
  EXPECT_EQ(slot_->kind(), WireKind::kSocket);
  EXPECT_EQ(slot_->next_tx(), 77U);
  EXPECT_EQ(slot_->peer().domid, 7);
  EXPECT_EQ(slot_->peer().features, 14U);
  EXPECT_EQ(slot_->peer().command, "a-command-of-tw");
}

TEST_F(WireSlotTest, WhatWasReceivedStaysUntilItIsPublishedAsHandled) {
  write_all(pair_.peer.get(), "one,two,");
  EXPECT_EQ(slot_->receive(pair_.ours.get()), 8U);
  restart();
  EXPECT_EQ(unhandled(), "one,two,");
  publish(4, 1);
  restart();
  EXPECT_EQ(unhandled(), "two,");
  EXPECT_EQ(slot_->progress().handled, 1U);
}

TEST_F(WireSlotTest, NothingToReceiveIsEagain) {
  EXPECT_EQ(slot_->receive(pair_.ours.get()).error(), EAGAIN);
  restart();
  EXPECT_EQ(unhandled(), "");
}

TEST_F(WireSlotTest, TheEndOfThePeerIsZeroBytesAndStaysSo) {
  write_all(pair_.peer.get(), "last");
  pair_.peer.reset();
  EXPECT_EQ(slot_->receive(pair_.ours.get()), 4U);
  EXPECT_EQ(slot_->receive(pair_.ours.get()), 0U);
  restart();
  EXPECT_EQ(unhandled(), "last");
  EXPECT_EQ(slot_->receive(pair_.ours.get()), 0U);
}

TEST_F(WireSlotTest, A12_WhatAPeerSentBeforeItClosedWithRepliesUnreadComesFirst) {
  write_all(pair_.ours.get(), "a reply nobody reads");
  write_all(pair_.peer.get(), "request");
  pair_.peer.reset();
  EXPECT_EQ(slot_->receive(pair_.ours.get()), 7U);
  EXPECT_EQ(unhandled(), "request");
  EXPECT_EQ(slot_->receive(pair_.ours.get()).error(), ECONNRESET);
  EXPECT_EQ(slot_->receive(pair_.ours.get()), 0U);
}

TEST_F(WireSlotTest, ADescriptorThatIsNoSocketIsAnError) {
  EXPECT_EQ(slot_->receive(area_->fd()).error(), ENOTSOCK);
  send_published("x");
  EXPECT_EQ(slot_->send(area_->fd()).error(), ENOTSOCK);
}

TEST_F(WireSlotTest, KilledBetweenReceivingAndNotingItTheBytesAreCounted) {
  const RawArea raw(area_->fd());
  write_all(pair_.peer.get(), "first,");
  ASSERT_EQ(slot_->receive(pair_.ours.get()), 6U);
  write_all(pair_.peer.get(), "second,");
  ASSERT_EQ(slot_->receive(pair_.ours.get()), 7U);
  raw.control(slot_->index()).in_end -= 7;  // the last store never happened
  restart();
  EXPECT_EQ(unhandled(), "first,second,");
  restart();
  EXPECT_EQ(unhandled(), "first,second,") << "counted once";
  EXPECT_EQ(slot_->receive(pair_.ours.get()).error(), EAGAIN);
  restart();
  EXPECT_EQ(unhandled(), "first,second,");
}

TEST_F(WireSlotTest, ASocketCountsBeyondTwoGigabytes) {
  const RawArea raw(area_->fd());
  write_all(pair_.peer.get(), "first,");
  ASSERT_EQ(slot_->receive(pair_.ours.get()), 6U);
  // As after a gigabyte: the next receive begins a new count.
  const int left = 0x40000000 + 3;
  ASSERT_EQ(::setsockopt(pair_.ours.get(), SOL_SOCKET, SO_PEEK_OFF, &left, sizeof left), 0);
  auto& control = raw.control(slot_->index());
  const std::uint64_t old = control.in_counter = control.in_end + static_cast<unsigned>(left);
  restart();
  EXPECT_EQ(unhandled(), "first,");
  write_all(pair_.peer.get(), "second,");
  ASSERT_EQ(slot_->receive(pair_.ours.get()), 7U);
  EXPECT_NE(control.in_counter, old);
  restart();
  EXPECT_EQ(unhandled(), "first,second,");
  control.in_counter = old;  // killed between the socket's new count and its note
  restart();
  EXPECT_EQ(unhandled(), "first,second,");
  EXPECT_NE(control.in_counter, old);
  write_all(pair_.peer.get(), "third,");
  ASSERT_EQ(slot_->receive(pair_.ours.get()), 6U);
  control.in_end -= 6;
  restart();
  EXPECT_EQ(unhandled(), "first,second,third,");
}

TEST_F(WireSlotTest, ASocketWhoseCountCannotBeTrueIsRefused) {
  write_all(pair_.peer.get(), "first,");
  ASSERT_EQ(slot_->receive(pair_.ours.get()), 6U);
  area_ = test::restart(std::move(area_));
  slot_ = find_slot(*area_, 1);
  EXPECT_EQ(slot_->attach(area_->fd()).error(), ENOTSOCK);
  const int none = -1;
  ASSERT_EQ(::setsockopt(pair_.ours.get(), SOL_SOCKET, SO_PEEK_OFF, &none, sizeof none), 0);
  EXPECT_EQ(slot_->attach(pair_.ours.get()).error(), EBADMSG);
  EXPECT_EQ(slot_->receive(pair_.ours.get()).error(), EBADMSG);
  const int less = 1000;
  ASSERT_EQ(::setsockopt(pair_.ours.get(), SOL_SOCKET, SO_PEEK_OFF, &less, sizeof less), 0);
  EXPECT_EQ(slot_->attach(pair_.ours.get()).error(), EBADMSG);
}

TEST_F(WireSlotTest, KilledBetweenSendingAndNotingItTheBytesAreCounted) {
  const RawArea raw(area_->fd());
  send_published("first,");
  ASSERT_EQ(slot_->send(pair_.ours.get()), 6U);
  send_published("second,");
  ASSERT_EQ(slot_->send(pair_.ours.get()), 7U);
  raw.control(slot_->index()).out_sent -= 7;
  restart();
  EXPECT_EQ(slot_->sendable(), "");
  EXPECT_EQ(slot_->sent(), 13U);
  restart();
  EXPECT_EQ(slot_->sent(), 13U) << "counted once";
  EXPECT_EQ(read_all(pair_.peer.get()), "first,second,");
}

TEST_F(WireSlotTest, WhatDoesNotFitThePeersSocketIsSentLater) {
  const std::string bytes = pattern(1, 900'000);
  send_published(bytes);
  std::string received;
  for (int i = 0; received.size() < bytes.size() && i < 1000; ++i) {
    while (slot_->send(pair_.ours.get()).has_value() && !slot_->sendable().empty()) {
    }
    received += read_all(pair_.peer.get());
    restart();
  }
  EXPECT_EQ(received, bytes);
  EXPECT_EQ(slot_->send(pair_.ours.get()), 0U);
}

TEST_F(WireSlotTest, SendingToAPeerThatIsGoneIsEpipeAndNoSignal) {
  pair_.peer.reset();
  send_published("x");
  EXPECT_EQ(slot_->send(pair_.ours.get()).error(), EPIPE);
  slot_->discard_sendable();
  EXPECT_EQ(slot_->sendable(), "");
}

// Frames of up to 4112 bytes, the last one half received each time.
TEST_F(WireSlotTest, AnyStreamOfFramesPassesThroughTheBuffer) {
  std::string sent;
  std::string handled;
  std::uint64_t ordinal = 0;
  for (std::uint64_t i = 0; handled.size() < 2'000'000; ++i) {
    const std::string burst = pattern(i, 1 + i * 7919 % 12'000);
    write_all(pair_.peer.get(), burst);
    sent += burst;
    for (;;) {
      const auto count = slot_->receive(pair_.ours.get());
      if (!count) {
        ASSERT_EQ(count.error(), EAGAIN);
        break;
      }
      // "Frames" of a length that their position decides.
      for (;;) {
        const auto from = slot_->progress().in_begin;
        const std::size_t frame = 16 + from * 31 % 4097;
        if (slot_->input(from).size() < frame) break;
        handled += slot_->input(from).substr(0, frame);
        publish(from + frame, ++ordinal);
      }
    }
    if (i % 13 == 0) restart();
  }
  EXPECT_EQ(handled, sent.substr(0, handled.size()));
  EXPECT_EQ(sent.substr(handled.size()), unhandled());
}

TEST_F(WireSlotTest, WithoutRoomForInputReceiveSaysEnobufsAndLosesNothing) {
  const std::string bytes = pattern(1, 30'000);
  write_all(pair_.peer.get(), bytes);
  int error = 0;
  while (error == 0) {
    const auto count = slot_->receive(pair_.ours.get());
    error = count ? 0 : count.error();
  }
  EXPECT_EQ(error, ENOBUFS);
  std::string handled;
  for (int i = 0; i < 10; ++i) {
    handled += unhandled();
    publish(slot_->in_end(), handled.size());
    (void)slot_->receive(pair_.ours.get());
  }
  EXPECT_EQ(handled, bytes);
}

TEST_F(WireSlotTest, AnIdleConnectionCostsFourPages) {
  const std::uint64_t before = pages_of(area_->fd());
  WireSlot& slot = test::open_slot(*area_, 2);
  for (int i = 0; i < 1000; ++i) {
    write_all(pair_.peer.get(), "a request of an ordinary length");
    ASSERT_TRUE(slot.receive(pair_.ours.get()).has_value());
    ASSERT_TRUE(slot.output().append("a reply"));
    ASSERT_TRUE(slot.log().append("an operation of its transaction"));
    auto progress = slot.progress();
    progress.in_begin = slot.in_end();
    progress.out_begin = slot.sent();
    progress.out_end = slot.output().end();
    progress.log_end = slot.log().end();
    if (i % 50 == 49) progress.log_begin = progress.log_end;
    slot.publish(progress);
    ASSERT_TRUE(slot.send(pair_.ours.get()).has_value());
    read_all(pair_.peer.get());
  }
  EXPECT_LE(pages_of(area_->fd()), before + 4);
  slot.trim();
  EXPECT_LE(pages_of(area_->fd()), before + 1);
  write_all(pair_.peer.get(), "as before");
  ASSERT_TRUE(slot.receive(pair_.ours.get()).has_value());
  EXPECT_EQ(slot.input(slot.progress().in_begin), "as before");
}

TEST_F(WireSlotTest, TrimKeepsWhatIsStillNeeded) {
  const std::string large = pattern(1, 6000);
  write_all(pair_.peer.get(), large);
  ASSERT_TRUE(slot_->receive(pair_.ours.get()).has_value());
  ASSERT_TRUE(slot_->log().append("log"));
  send_published("reply");
  slot_->trim();
  restart();
  EXPECT_EQ(unhandled(), large);
  EXPECT_EQ(slot_->sendable(), "reply");
  EXPECT_EQ(slot_->log().view(), "log");
}

TEST_F(WireSlotTest, ARingsIndicesFollowFromTheBytesMoved) {
  WireSlot& ring = test::open_slot(*area_, 2, WireKind::kRing);
  ring.set_ring_indices(0xFFFFFFF0U, 5);
  const auto room = ring.input_room();
  ASSERT_GE(room.size(), 4112U);
  std::copy_n("request from a ring.", 20, room.data());
  ring.add_input(20);
  EXPECT_EQ(ring.req_cons(), 4U) << "32 bits, as in the page";
  ASSERT_TRUE(ring.output().append("reply"));
  auto progress = ring.progress();
  progress.out_end = ring.output().end();
  ring.publish(progress);
  ring.begin_send(5);
  ring.finish_send(3);
  EXPECT_EQ(ring.rsp_prod(), 8U);
  restart();
  WireSlot& after = *find_slot(*area_, 2);
  EXPECT_EQ(after.kind(), WireKind::kRing);
  EXPECT_EQ(after.input(0), "request from a ring.");
  EXPECT_EQ(after.req_cons(), 4U);
  EXPECT_EQ(after.rsp_prod(), 8U);
  EXPECT_EQ(after.sendable(), "ly");
  EXPECT_EQ(after.unfinished_send(), 0U);
}

TEST_F(WireSlotTest, ASendIntoARingThatWasUnderWayIsKnown) {
  WireSlot& ring = test::open_slot(*area_, 2, WireKind::kRing);
  ASSERT_TRUE(ring.output().append("reply"));
  auto progress = ring.progress();
  progress.out_end = ring.output().end();
  ring.publish(progress);
  ring.begin_send(4);
  restart();
  WireSlot& after = *find_slot(*area_, 2);
  EXPECT_EQ(after.unfinished_send(), 4U);
  EXPECT_EQ(after.rsp_prod(), 0U);
  after.finish_send(4);
  EXPECT_EQ(after.rsp_prod(), 4U);
  restart();
  EXPECT_EQ(find_slot(*area_, 2)->unfinished_send(), 0U);
  EXPECT_EQ(find_slot(*area_, 2)->sendable(), "y");
}

}  // namespace
}  // namespace vxs::daemon::test
