// Guests on their rings through a hot swap, in both directions: at the byte where they were, over
// the event channels they had, with nobody's help (H7..H12).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "tests/daemon/swap/swap_fixture.hh"

namespace vxs::test {
namespace {

using namespace std::chrono_literals;
using support::Event;
using support::FakeGuest;
using support::Frame;
using support::GuestPage;
using support::WireClient;
using support::zstrings;
using testing::ElementsAre;
using testing::IsEmpty;

// In dom0's events the death of a domain.
const Event kReleased{"@releaseDomain", "r"};

enum class Direction { kToOurs, kToStock, kToOursAndKilled };

class GuestsThroughASwap : public SwapFixture, public testing::WithParamInterface<Direction> {
 protected:
  void SetUp() override {
    if (GetParam() == Direction::kToStock) there();
  }
  void swap() {
    if (GetParam() == Direction::kToStock) return back();
    there();
    if (GetParam() == Direction::kToOurs || HasFatalFailure()) return;
    ASSERT_EQ(children().size(), 1U);
    ASSERT_EQ(::kill(children().front(), SIGKILL), 0);
  }
  // The daemon took all there is in the ring.
  static bool taken(FakeGuest& guest) {
    return guest.becomes(GuestPage::kReqCons, guest.page().get(GuestPage::kReqProd));
  }
  fakexen::PortStatus port_of(const FakeGuest& guest) {
    return *machine().machine().port_status(guest.domid(), guest.port());
  }
  fakexen::PortStatus other_end_of(const FakeGuest& guest) {
    return *machine().machine().port_status(0, port_of(guest).remote_port);
  }
  static std::string request(support::Type type, std::uint32_t id, std::string payload) {
    return support::encode({.type = type, .req_id = id, .tx_id = 0, .payload = std::move(payload)});
  }
};

TEST_P(GuestsThroughASwap, H9_HalfARequestInTheRingIsCompleted) {
  const std::string frame = request(support::kWrite, 7, zstrings({"half"}) + "whole");
  const std::vector<std::size_t> cuts{1, 15, 16, 17, frame.size() - 1};
  std::vector<FakeGuest> guests;
  for (const std::size_t cut : cuts) {
    guests.push_back(guest(static_cast<std::uint32_t>(10 + guests.size())));
    guests.back().send_bytes(std::string_view(frame).substr(0, cut));
  }
  if (GetParam() != Direction::kToStock) {  // ours leaves it where it is
    for (FakeGuest& one : guests) EXPECT_TRUE(taken(one));
  }
  swap();
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    SCOPED_TRACE(cuts[i]);
    guests[i].send_bytes(std::string_view(frame).substr(cuts[i]));
    const Frame reply = guests[i].reply();
    EXPECT_EQ(reply.req_id, 7U);
    EXPECT_EQ(reply.error(), "");
    EXPECT_EQ(read(guests[i], "half"), "whole");
  }
}

TEST_P(GuestsThroughASwap, H9_HalfARequestThatIsLargerThanTheRingIsCompleted) {
  const std::string value(1900, 'v');
  const std::string frame = request(support::kWrite, 8, zstrings({"large"}) + value);
  for (const std::uint32_t cut : {16U, 700U, 1500U}) {
    SCOPED_TRACE(cut);
    FakeGuest three = guest(3 + cut);
    three.send_bytes(std::string_view(frame).substr(0, cut));
    EXPECT_TRUE(taken(three));
    swap();
    if (HasFatalFailure()) return;
    three.send_bytes(std::string_view(frame).substr(cut));
    EXPECT_EQ(three.reply().req_id, 8U);
    EXPECT_TRUE(read(three, "large") == value);
    if (cut == 1500) break;
    if (GetParam() == Direction::kToStock) {
      there();
    } else {
      back();
    }
  }
}

// Its ring of replies is full: of the first the guest has a part, the others wait.
TEST_P(GuestsThroughASwap, H9_RepliesThatDidNotFitTheRingComeWholeAndInOrder) {
  FakeGuest three = guest(3);
  const std::string value(2000, 'v');
  ASSERT_EQ(write(three, "large", value), "");
  ASSERT_EQ(write(three, "small", "s"), "");
  for (std::uint32_t id = 1; id <= 4; ++id) {
    three.send_bytes(
        request(support::kRead, 100 + id, zstrings({id % 2 == 1 ? "large" : "small"})));
  }
  ASSERT_TRUE(taken(three));
  swap();
  for (std::uint32_t id = 1; id <= 4; ++id) {
    const Frame reply = three.reply();
    EXPECT_EQ(reply.req_id, 100 + id);
    EXPECT_TRUE(reply.payload == (id % 2 == 1 ? value : "s"));
  }
  EXPECT_FALSE(three.receive(20ms).has_value()) << "one too many";
  EXPECT_EQ(read(three, "small"), "s");
}

TEST_P(GuestsThroughASwap, H9_EventsThatDidNotFitTheRingComeOnceAndInOrder) {
  FakeGuest three = guest(3);
  ASSERT_EQ(three.call(support::kWatch, zstrings({"events", "token"})).error(), "");
  ASSERT_THAT(three.drain(), ElementsAre(Event{"events", "token"}));
  WireClient dom0 = client();
  constexpr int kEvents = 120;
  for (int i = 0; i < kEvents; ++i) {
    ASSERT_EQ(write(dom0, "/local/domain/3/events/" + std::to_string(i), ""), "");
  }
  swap();
  const auto events = three.drain(20ms);
  ASSERT_EQ(events.size(), static_cast<std::size_t>(kEvents)) << "of a kill nothing is in doubt";
  for (int i = 0; i < kEvents; ++i) {
    EXPECT_EQ(events[static_cast<std::size_t>(i)].path, "events/" + std::to_string(i));
  }
}

TEST_P(GuestsThroughASwap, H11_WatchesStayWithTheirTokens) {
  FakeGuest kernel(machine().machine(), 0);
  FakeGuest three = guest(3);
  ASSERT_EQ(three.call(support::kWatch, zstrings({"device", "relative"})).error(), "");
  ASSERT_EQ(three.call(support::kWatch, zstrings({"/local/domain/3/device", "absolute"})).error(),
            "");
  ASSERT_EQ(kernel.call(support::kWatch, zstrings({"/local", "kernel"})).error(), "");
  (void)three.drain();
  (void)kernel.drain();
  swap();
  EXPECT_THAT(three.drain(), IsEmpty()) << "nothing changed";
  WireClient dom0 = client();
  ASSERT_EQ(write(dom0, "/local/domain/3/device/vif", "1"), "");
  EXPECT_THAT(three.drain(20ms),
              testing::UnorderedElementsAre(Event{"device/vif", "relative"},
                                            Event{"/local/domain/3/device/vif", "absolute"}));
  EXPECT_THAT(kernel.drain(20ms), ElementsAre(Event{"/local/domain/3/device/vif", "kernel"}));
  EXPECT_EQ(three.call(support::kWatch, zstrings({"device", "relative"})).error(), "EEXIST");
  EXPECT_EQ(three.call(support::kUnwatch, zstrings({"device", "relative"})).error(), "");
}

TEST_P(GuestsThroughASwap, H9_AnIdleGuestKeepsItsEventChannel) {
  FakeGuest kernel(machine().machine(), 0);
  FakeGuest three = guest(3);
  ASSERT_EQ(write(three, "name", "three"), "");
  const auto before = port_of(three);
  const auto other = other_end_of(three);
  swap();
  EXPECT_EQ(read(three, "name"), "three");
  EXPECT_EQ(port_of(three).remote_port, before.remote_port);
  EXPECT_EQ(other_end_of(three).handle, other.handle) << "of the same open of the device";
  EXPECT_EQ(write(kernel, "/k", "1"), "");
  EXPECT_EQ(three.page().get(GuestPage::kError), 0U);
  // Another daemon could not have it twice.
  machine().destroy(3);
  EXPECT_TRUE(machine().gone(3));
}

// What the C daemon does not do no guest is to wait for.
TEST_P(GuestsThroughASwap, A19_ThePageOffersWhatTheDaemonDoes) {
  FakeGuest three = guest(3);
  swap();
  ASSERT_EQ(write(three, "name", "three"), "");
  EXPECT_EQ(three.page().get(GuestPage::kFeatures), GetParam() == Direction::kToStock ? 0U : 15U);
}

// Where the toolstack keeps no nodes of its domains, Xen says what was bound.
TEST_P(GuestsThroughASwap, AGuestWithoutNodesOfTheToolstackKeepsItsEventChannel) {
  FakeGuest three = guest(3);
  WireClient dom0 = client();
  ASSERT_EQ(dom0.call(support::kRm, zstrings({"/local/domain/3/store"})).error(), "");
  const auto before = port_of(three);
  swap();
  EXPECT_EQ(write(three, "name", "three"), "");
  EXPECT_EQ(port_of(three).remote_port, before.remote_port);
  EXPECT_EQ(dom0.call(support::kIsDomainIntroduced, zstrings({"3"})).payload, zstrings({"T"}));
}

TEST_P(GuestsThroughASwap, F7_AGuestThatDiesRightAfterIsBuriedOnce) {
  FakeGuest three = guest(3);
  FakeGuest seven = guest(7);
  ASSERT_EQ(write(three, "x", "1"), "");
  WireClient dom0 = client();
  ASSERT_EQ(dom0.call(support::kWatch, zstrings({"@releaseDomain", "r"})).error(), "");
  ASSERT_EQ(dom0.drain().size(), 1U);
  three.send_bytes(request(support::kRead, 1, zstrings({"x"})).substr(0, 10));
  swap();
  machine().destroy(3);
  EXPECT_TRUE(machine().gone(3));
  EXPECT_THAT(dom0.drain(100ms), ElementsAre(kReleased));
  EXPECT_EQ(read(dom0, "/local/domain/3"), "ENOENT");
  EXPECT_EQ(write(seven, "x", "1"), "");
  FakeGuest again = guest(3);
  EXPECT_EQ(read(again, "x"), "ENOENT");
  EXPECT_EQ(write(again, "x", "2"), "");
}

TEST_P(GuestsThroughASwap, F7_AGuestThatDiesMeanwhileIsBuriedOnce) {
  FakeGuest three = guest(3);
  FakeGuest seven = guest(7);
  WireClient dom0 = client();
  ASSERT_EQ(dom0.call(support::kWatch, zstrings({"@releaseDomain", "r"})).error(), "");
  ASSERT_EQ(dom0.drain().size(), 1U);
  WireClient requester = client();
  ASSERT_EQ(
      control(requester, {"-f", GetParam() == Direction::kToStock ? stock_binary() : our_binary()}),
      "OK");
  requester.send({.type = support::kControl,
                  .req_id = 0,
                  .tx_id = 0,
                  .payload = zstrings({"live-update", "-s"})});
  machine().destroy(3);
  EXPECT_EQ(requester.reply().payload, zstrings({"OK"}));
  EXPECT_TRUE(machine().gone(3));
  EXPECT_THAT(dom0.drain(100ms), ElementsAre(kReleased));
  EXPECT_EQ(read(dom0, "/local/domain/3"), "ENOENT");
  EXPECT_EQ(write(seven, "x", "1"), "");
}

TEST_P(GuestsThroughASwap, WhatGuestsAskMeanwhileIsAnsweredOnceEach) {
  constexpr std::uint32_t kGuests = 3;
  std::vector<FakeGuest> guests;
  for (std::uint32_t i = 0; i < kGuests; ++i) guests.push_back(guest(20 + i));
  std::atomic<bool> over = false;
  std::vector<std::string> wrong(kGuests);
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < kGuests; ++i) {
    threads.emplace_back([&, i] {
      try {
        const std::string value(200 + 400 * i, 'v');
        for (std::uint32_t n = 1; !over; ++n) {
          // Two at a time, so that one waits in the ring.
          guests[i].send_bytes(
              request(support::kWrite, 2 * n, zstrings({"n"}) + std::to_string(n) + value));
          guests[i].send_bytes(request(support::kRead, 2 * n + 1, zstrings({"n"})));
          const Frame first = guests[i].reply();
          const Frame second = guests[i].reply();
          if (first.req_id != 2 * n || first.is_error() || second.req_id != 2 * n + 1 ||
              second.payload != std::to_string(n) + value) {
            wrong[i] = "at " + std::to_string(n) + ": " + first.error() + " " + second.error();
            return;
          }
        }
      } catch (const support::WireError& error) {
        wrong[i] = error.what();
      }
    });
  }
  std::this_thread::sleep_for(20ms);
  swap();
  std::this_thread::sleep_for(20ms);
  over = true;
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(wrong, testing::Each(""));
}

std::string name_of(const testing::TestParamInfo<Direction>& info) {
  switch (info.param) {
    case Direction::kToOurs:
      return "ToOurs";
    case Direction::kToStock:
      return "ToStock";
    case Direction::kToOursAndKilled:
      break;
  }
  return "ToOursAndKilled";
}

INSTANTIATE_TEST_SUITE_P(HotSwap, GuestsThroughASwap,
                         testing::Values(Direction::kToOurs, Direction::kToStock,
                                         Direction::kToOursAndKilled),
                         name_of);

}  // namespace
}  // namespace vxs::test
