// Live updates under guests on their rings: each goes on at the byte where it was (issue 4).
#include <gmock/gmock.h>

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "tests/daemon/live_update/update_fixture.hh"
#include "tests/fakexen/guest_modes.hh"
#include "tests/support/fake_guest.hh"
#include "tests/support/fake_machine.hh"
#include "tests/support/requests.hh"

namespace vxs::test {
namespace {

using support::FakeGuest;
using support::Frame;
using support::GuestPage;
using testing::HasSubstr;

class LiveUpdateGuests : public WithMachine, public LiveUpdate {
 protected:
  explicit LiveUpdateGuests(std::vector<std::string> more = {},
                            const std::string& parent = "/dev/shm")
      : LiveUpdate(std::move(more), parent, machine_.dir()), dom0_(supervisor.socket_path()) {}

  FakeGuest& add(std::uint32_t domid) {
    machine_.create_domain(domid);
    EXPECT_EQ(support::make_home(dom0_, domid), "");
    EXPECT_EQ(write(dom0_, "/local/domain/" + std::to_string(domid) + "/large", large_), "");
    auto guest = std::make_unique<FakeGuest>(machine_.machine(), domid);
    EXPECT_EQ(dom0_.call(support::kIntroduce, guest->introduction()).error(), "");
    EXPECT_EQ(guest->call(support::kWatch, zstrings({"watched", "token"})).error(), "");
    (void)guest->drain();
    return *(guests_[domid] = std::move(guest));
  }

  /// All that can be under way at once on two rings, before begin_all() and after finish_all() the
  /// process is another one.
  void begin_all(const std::string& name) {
    name_ = name;
    // One has sent part of a request that never fits the ring, which the daemon took.
    FakeGuest& half = *guests_.at(1);
    half_tx_ = begin(half);
    ASSERT_EQ(write(half, "in/" + name, "one", half_tx_), "");
    frame_ = support::encode({support::kWrite, 70, 0, zstrings({"half"}) + name + most_});
    sent_ = half.send_some(std::string_view(frame_).substr(0, 900));
    ASSERT_TRUE(eventually([&] {
      return half.page().get(GuestPage::kReqCons) == half.page().get(GuestPage::kReqProd);
    }));
    // One has requests behind each other, whose replies it does not take, and events after them.
    FakeGuest& full = *guests_.at(2);
    full_tx_ = begin(full);
    ASSERT_EQ(write(full, "in/" + name, "two", full_tx_), "");
    for (std::uint32_t id = 81; id <= 83; ++id) {
      full.send({.type = support::kRead, .req_id = id, .tx_id = 0, .payload = zstrings({"large"})});
    }
    ASSERT_TRUE(eventually([&] {
      return full.page().get(GuestPage::kRspProd) - full.page().get(GuestPage::kRspCons) == 1024;
    }));
    ASSERT_EQ(write(dom0_, "/local/domain/2/watched/" + name, "v"), "");
    // And one has an event it did not look at.
    ASSERT_EQ(write(dom0_, "/local/domain/3/watched/" + name, "v"), "");
  }
  void finish_all() {
    FakeGuest& half = *guests_.at(1);
    half.send_bytes(std::string_view(frame_).substr(sent_));
    EXPECT_EQ(half.reply().req_id, 70U);
    EXPECT_TRUE(read(half, "half") == name_ + most_);
    FakeGuest& full = *guests_.at(2);
    for (std::uint32_t id = 81; id <= 83; ++id) {
      const Frame reply = full.reply();
      EXPECT_EQ(reply.req_id, id);
      EXPECT_TRUE(reply.payload == large_);
    }
    for (const std::uint32_t domid : {2U, 3U}) expect_event(domid);
    EXPECT_EQ(read(half, "in/" + name_), "ENOENT");
    EXPECT_EQ(read(half, "in/" + name_, half_tx_), "one");
    EXPECT_EQ(commit(half, half_tx_), "");
    EXPECT_EQ(read(half, "in/" + name_), "one");
    EXPECT_EQ(commit(full, full_tx_), "");
    EXPECT_EQ(read(full, "in/" + name_), "two");
    // The watches are there still.
    for (const std::uint32_t domid : {1U, 2U, 3U}) {
      EXPECT_EQ(
          write(dom0_, "/local/domain/" + std::to_string(domid) + "/watched/" + name_, "again"),
          "");
      expect_event(domid);
      EXPECT_FALSE(guests_.at(domid)->receive(20ms).has_value()) << "one reply too many";
    }
  }
  void expect_event(std::uint32_t domid) {
    FakeGuest& guest = *guests_.at(domid);
    std::set<std::string> events;
    EXPECT_TRUE(eventually([&] {
      for (const auto& event : guest.drain()) events.insert(event.path + " " + event.token);
      return !events.empty();
    })) << domid;
    EXPECT_EQ(events, std::set<std::string>{"watched/" + name_ + " token"}) << domid;
  }

  const std::string large_ = std::string(4000, 'l');
  const std::string most_ = std::string(1900, 'm');  // of what a guest may write
  WireClient dom0_;
  std::map<std::uint32_t, std::unique_ptr<FakeGuest>> guests_;

 private:
  std::string name_;
  std::string frame_;
  std::size_t sent_ = 0;
  std::uint32_t half_tx_ = 0;
  std::uint32_t full_tx_ = 0;
};

TEST_F(LiveUpdateGuests, H5_GuestsGoOnWithAllThatWasUnderWay) {
  const std::string copies[] = {copy_of_ours("even"), copy_of_ours("odd")};
  for (const std::uint32_t domid : {1U, 2U, 3U}) add(domid);
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    const std::string next = copies[round % 2];
    begin_all(std::to_string(round));
    const Result result = update({next});
    EXPECT_EQ(result.code, 0) << result.output;
    EXPECT_EQ(program(), next);
    finish_all();
  }
}

// A pause, and the same process as before.
TEST_F(LiveUpdateGuests, H5_SoTheyDoIfTheNewProgramFailsInItsTurn) {
  for (const std::uint32_t domid : {1U, 2U, 3U}) add(domid);
  int round = 0;
  for (const char* const mode : {"turn exit 7", "turn signal 9", "exit 1"}) {
    SCOPED_TRACE(mode);
    let_dummy(mode);
    begin_all(std::to_string(round++));
    EXPECT_EQ(update({dummy()}).code, 3);
    finish_all();
  }
}

class LiveUpdateGuestsDisk : public LiveUpdateGuests {
 protected:
  LiveUpdateGuestsDisk() : LiveUpdateGuests({"--durability", "disk"}, "/tmp") {}
};

TEST_F(LiveUpdateGuestsDisk, H5_GuestsGoOnWithAllThatWasUnderWay) {
  for (const std::uint32_t domid : {1U, 2U, 3U}) add(domid);
  begin_all("one");
  const Result result = update({copy_of_ours("next")});
  EXPECT_EQ(result.code, 0) << result.output;
  finish_all();
}

// It may have missed something: its watches fire once.
TEST_F(LiveUpdateGuests, H12_ARingThatCannotBeMappedWaitsAndItsDomainStays) {
  for (const std::uint32_t domid : {1U, 2U}) add(domid);
  ASSERT_EQ(write(*guests_.at(1), "watched", "before"), "");
  ASSERT_THAT(guests_.at(1)->drain(), testing::SizeIs(1));
  ASSERT_TRUE(machine_.machine().set_granted(1, false));
  const Result result = update({copy_of_ours("next")});
  EXPECT_EQ(result.code, 0) << result.output;
  const auto is_introduced = [&](const char* domid) {
    return dom0_.call(support::kIsDomainIntroduced, zstrings({domid})).payload;
  };
  EXPECT_EQ(is_introduced("1"), zstrings({"T"}));
  EXPECT_EQ(read(dom0_, "/local/domain/1/watched"), "before");
  EXPECT_EQ(write(*guests_.at(2), "a", "b"), "") << "nobody else is concerned";
  // So do deaths of the daemon find it.
  kill_daemon();
  EXPECT_EQ(is_introduced("1"), zstrings({"T"}));
  guests_.at(1)->send(
      {.type = support::kRead, .req_id = 7, .tx_id = 0, .payload = zstrings({"watched"})});
  EXPECT_FALSE(guests_.at(1)->receive(20ms).has_value());
  ASSERT_TRUE(machine_.machine().set_granted(1, true));
  std::size_t events = 0;
  std::optional<Frame> reply;
  ASSERT_TRUE(eventually([&] {
    const auto frame = guests_.at(1)->receive(100ms);
    if (frame && frame->type == support::kWatchEvent) ++events;
    if (frame && frame->type != support::kWatchEvent) reply = frame;
    return events == 1 && reply.has_value();
  }));
  EXPECT_EQ(reply->req_id, 7U);
  EXPECT_EQ(reply->payload, "before");
  EXPECT_EQ(write(*guests_.at(1), "after", "1"), "");
  EXPECT_EQ(guests_.at(1)->page().get(GuestPage::kError), 0U);
}

TEST_F(LiveUpdateGuests, H5_BusyGuestsAreAnsweredRightThroughManyUpdates) {
  const std::string copies[] = {copy_of_ours("even"), copy_of_ours("odd")};
  constexpr std::uint32_t kGuests = 3;
  for (std::uint32_t domid = 1; domid <= kGuests; ++domid) add(domid);
  std::atomic<bool> over = false;
  std::atomic<std::uint64_t> pieces = 0;
  std::vector<std::string> wrong(kGuests + 1);
  std::vector<std::thread> threads;
  for (std::uint32_t domid = 1; domid <= kGuests; ++domid) {
    threads.emplace_back([&, domid] {
      fakexen::BusyGuest busy(*guests_.at(domid), domid);
      try {
        while (!over) {
          busy.work();
          ++pieces;
        }
      } catch (const support::WireError& error) {
        wrong[domid] = error.what();
      }
    });
  }
  for (int i = 0; i < 8; ++i) {
    const std::uint64_t before = pieces;
    EXPECT_TRUE(eventually([&] { return pieces > before + 3; }));
    const Result result = update({copies[i % 2]});
    EXPECT_EQ(result.code, 0) << result.output;
  }
  over = true;
  for (auto& thread : threads) thread.join();
  for (const auto& error : wrong) EXPECT_EQ(error, "");
}

// What is bound, mapped and introduced is so once, whoever serves.
TEST_F(LiveUpdateGuests, H5_ManyUpdatesLeakNoEventChannels) {
  const std::string copies[] = {copy_of_ours("even"), copy_of_ours("odd")};
  FakeGuest& guest = add(1);
  const auto bound = [&] {
    int count = 0;
    for (fakexen::Port port = 1; port < 128; ++port) {
      const auto status = machine_.machine().port_status(0, port);
      count += status && status->kind != fakexen::kClosed ? 1 : 0;
    }
    return count;
  };
  const int before = bound();
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(update({copies[i % 2]}).code, 0);
    ASSERT_EQ(write(guest, "a", std::to_string(i)), "");
  }
  EXPECT_EQ(bound(), before);
}

}  // namespace
}  // namespace vxs::test
