// Issue 4: the daemon is killed, and guests on their rings notice nothing (design §6). The daemon,
// its supervisor and the fake machine are real processes; the guests are this one.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "tests/fakexen/guest_modes.hh"
#include "tests/support/fake_guest.hh"
#include "tests/support/fake_machine.hh"
#include "tests/support/requests.hh"
#include "tests/support/supervised_daemon.hh"
#include "tests/support/wire_client.hh"

namespace vxs::test {
namespace {

using namespace std::chrono_literals;
using support::FakeGuest;
using support::Frame;
using support::GuestPage;
using support::WireClient;
using support::zstrings;

class KeptRings : public testing::TestWithParam<const char*> {
 protected:
  void TearDown() override {
    if (HasFailure()) std::printf("the daemons said:\n%s\n", supervised_.output().c_str());
  }

  FakeGuest& add_guest(std::uint32_t domid) {
    machine_.create_domain(domid);
    EXPECT_EQ(support::make_home(dom0_, domid), "");
    auto guest = std::make_unique<FakeGuest>(machine_.machine(), domid);
    EXPECT_EQ(dom0_.call(support::kIntroduce, guest->introduction()).error(), "");
    return *(guests_[domid] = std::move(guest));
  }
  /// Waits until it holds; false after five seconds.
  template <typename Condition>
  static bool eventually(Condition condition) {
    for (int i = 0; i < 2500 && !condition(); ++i) std::this_thread::sleep_for(2ms);
    return condition();
  }

  support::FakeMachine machine_;
  support::SupervisedDaemon supervised_{
      {.args = {"--durability", GetParam()}, .parent_dir = "/dev/shm", .machine = machine_.dir()}};
  WireClient dom0_{supervised_.socket_path()};
  std::map<std::uint32_t, std::unique_ptr<FakeGuest>> guests_;
};

TEST_P(KeptRings, AGuestGoesOnWithAllThatWasUnderWay) {
  FakeGuest& guest = add_guest(1);
  const std::string large(4000, 'l');
  ASSERT_EQ(write(dom0_, "/local/domain/1/large", large), "");
  const std::string most(1900, 'm');  // of what a guest may write
  ASSERT_EQ(guest.call(support::kWatch, zstrings({"watched", "token"})).error(), "");
  (void)guest.drain();
  for (int round = 0; round < 4; ++round) {
    const std::string name = std::to_string(round);
    const auto tx = static_cast<std::uint32_t>(
        std::stoul(guest.call(support::kTransactionStart, zstrings({""})).payload));
    ASSERT_EQ(write(guest, "in/" + name, "it", tx), "");

    // Part of a request that never fits the ring, taken by a daemon that is killed then.
    const std::string half =
        support::encode({support::kWrite, 70, 0, zstrings({"half"}) + name + most});
    std::size_t sent = guest.send_some(std::string_view(half).substr(0, 900));
    ASSERT_TRUE(eventually([&] {
      return guest.page().get(GuestPage::kReqCons) == guest.page().get(GuestPage::kReqProd);
    }));
    supervised_.kill_daemon();
    guest.send_bytes(std::string_view(half).substr(sent));
    EXPECT_EQ(guest.reply().req_id, 70U);

    // Requests one behind the other, and replies of which the ring holds a quarter of the first.
    for (std::uint32_t id = 1; id <= 3; ++id) {
      guest.send({support::kRead, 80 + id, 0, zstrings({"large"})});
    }
    ASSERT_TRUE(eventually([&] {
      return guest.page().get(GuestPage::kRspProd) - guest.page().get(GuestPage::kRspCons) == 1024;
    }));
    supervised_.kill_daemon();
    ASSERT_EQ(write(dom0_, "/local/domain/1/watched/" + name, "v"), "");
    supervised_.kill_daemon();
    for (std::uint32_t id = 1; id <= 3; ++id) {
      const Frame reply = guest.reply();
      EXPECT_EQ(reply.req_id, 80 + id);
      EXPECT_TRUE(reply.payload == large);
    }
    std::set<std::string> events;
    for (const auto& event : guest.drain()) events.insert(event.path + " " + event.token);
    EXPECT_TRUE(events.contains("watched/" + name + " token"));

    EXPECT_EQ(read(guest, "in/" + name, tx), "it");
    EXPECT_EQ(read(guest, "in/" + name), "ENOENT");
    supervised_.kill_daemon();
    EXPECT_EQ(guest.call(support::kTransactionEnd, zstrings({"T"}), tx).error(), "");
    EXPECT_EQ(read(guest, "in/" + name), "it");
    EXPECT_TRUE(read(guest, "half") == name + most);
    EXPECT_FALSE(guest.receive(20ms).has_value()) << "one reply too many";
  }
}

TEST_P(KeptRings, BusyGuestsAreAnsweredRightThroughManyKills) {
  constexpr std::uint32_t kGuests = 3;
  for (std::uint32_t domid = 1; domid <= kGuests; ++domid) add_guest(domid);
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
  for (int i = 0; i < 25; ++i) {
    const std::uint64_t before = pieces;
    eventually([&] { return pieces > before + 3; });
    std::this_thread::sleep_for(std::chrono::microseconds(777 * (i % 9)));
    supervised_.kill_daemon();
  }
  over = true;
  for (auto& thread : threads) thread.join();
  for (const auto& error : wrong) EXPECT_EQ(error, "");
  EXPECT_GT(pieces, 50U);
}

TEST_P(KeptRings, A24_TheKernelOfDom0GoesOn) {
  FakeGuest kernel(machine_.machine(), 0);
  ASSERT_EQ(kernel.call(support::kWatch, zstrings({"backend", "k"})).error(), "");
  (void)kernel.drain();
  for (int i = 0; i < 5; ++i) {
    supervised_.kill_daemon();
    const std::string name = "/local/domain/0/backend/" + std::to_string(i);
    ASSERT_EQ(write(dom0_, name, "v"), "");
    ASSERT_EQ(write(kernel, "/mine", std::to_string(i)), "");
    bool came = false;
    for (const auto& event : kernel.drain()) came |= event.path == "backend/" + std::to_string(i);
    EXPECT_TRUE(came) << i;
  }
}

TEST_P(KeptRings, A20_AGuestThatConnectsAnewWhileNobodyIsThereBeginsAnew) {
  FakeGuest& guest = add_guest(1);
  ASSERT_EQ(guest.call(support::kWatch, zstrings({"w", "t"})).error(), "");
  for (int i = 0; i < 3; ++i) {
    guest.send_some(support::encode({support::kRead, 9, 0, zstrings({"w"})}));
    supervised_.kill_daemon();
    guest.page().set(GuestPage::kConnection, 1);
    guest.notify();
    ASSERT_TRUE(guest.becomes(GuestPage::kConnection, 0));
    guest.start_over();
    EXPECT_EQ(guest.call(support::kWatch, zstrings({"w", "t"})).error(), "") << "it had none";
    (void)guest.drain();
  }
}

TEST_P(KeptRings, F8_DeathsAndSuccessorsWhileNobodyIsThere) {
  add_guest(1);
  add_guest(2);
  ASSERT_EQ(dom0_.call(support::kWatch, zstrings({"@releaseDomain", "gone"})).error(), "");
  (void)dom0_.drain();
  ASSERT_EQ(write(*guests_.at(1), "secret", "of the first life"), "");
  supervised_.kill_daemon();
  guests_.erase(1);
  machine_.destroy(1);
  EXPECT_TRUE(machine_.gone(1));
  std::size_t released = 0;
  EXPECT_TRUE(eventually([&] {
    for (const auto& event : dom0_.drain()) released += event.token == "gone" ? 1 : 0;
    return released > 0;
  }));
  EXPECT_EQ(read(dom0_, "/local/domain/1/secret"), "ENOENT");
  FakeGuest& second = add_guest(1);
  EXPECT_EQ(read(second, "secret"), "ENOENT");
  supervised_.kill_daemon();
  EXPECT_EQ(write(second, "own", "1"), "");
  EXPECT_EQ(write(*guests_.at(2), "own", "1"), "");
}

TEST_P(KeptRings, ManyKillsLeakNoEventChannels) {
  FakeGuest& guest = add_guest(1);
  const auto bound = [&] {
    int count = 0;
    for (fakexen::Port port = 1; port < 128; ++port) {
      const auto status = machine_.machine().port_status(0, port);
      count += status && status->kind != fakexen::kClosed ? 1 : 0;
    }
    return count;
  };
  ASSERT_EQ(write(guest, "a", "1"), "");
  const int before = bound();
  for (int i = 0; i < 15; ++i) {
    supervised_.kill_daemon();
    ASSERT_EQ(write(guest, "a", std::to_string(i)), "");
  }
  EXPECT_EQ(bound(), before);
}

INSTANTIATE_TEST_SUITE_P(Durability, KeptRings, testing::Values("process", "disk"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace vxs::test
