// What happens to domains, guests and clients while the daemon is down: the next one does what is
// right with each (issue 4).
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/crash/store_dump.hh"
#include "tests/support/fake_guest.hh"
#include "tests/support/fake_machine.hh"
#include "tests/support/requests.hh"
#include "tests/support/supervised_daemon.hh"
#include "tests/support/wire_client.hh"

namespace vxs::test {
namespace {

using namespace std::chrono_literals;
using support::Event;
using support::FakeGuest;
using support::Frame;
using support::FrameClient;
using support::GuestPage;
using support::WireClient;
using support::zstrings;

class WhileDown : public testing::Test {
 protected:
  static constexpr std::uint32_t kGuest = 5, kOther = 6;

  void SetUp() override {
    ASSERT_EQ(write(dom0_, "/shared", ""), "");
    ASSERT_EQ(set_perms("/shared", {"b0"}), "");
    add(kOther);
    add(kGuest);
    // With a depth, the event says of whom it tells (D18).
    ASSERT_EQ(dom0_.call(support::kWatch, zstrings({"@releaseDomain", "gone", "1"})).error(), "");
    (void)dom0_.drain();
  }

  void TearDown() override {
    go_on();
    // A supervisor that is killed starts another daemon: an orderly end.
    if (!HasFatalFailure()) {
      EXPECT_TRUE(dom0_.call(support::kControl, zstrings({"check"})).payload.starts_with("OK"));
    }
    EXPECT_TRUE(supervised_.terminate(10s).has_value());
    if (HasFailure()) std::printf("the daemons said:\n%s\n", supervised_.output().c_str());
  }

  /// Lets the supervisor start no other until go_on().
  void hold_down() { supervised_.hold_down(); }
  void go_on() { supervised_.go_on(); }

  // --- the toolstack ---------------------------------------------------------------
  FakeGuest& add(std::uint32_t domid) {
    machine_.create_domain(domid);
    return introduce(domid);
  }
  FakeGuest& introduce(std::uint32_t domid) {
    auto& guest = guests_[domid];
    guest = std::make_unique<FakeGuest>(machine_.machine(), domid);
    EXPECT_EQ(dom0_.call(support::kIntroduce, guest->introduction()).error(), "");
    return *guest;
  }
  FakeGuest& guest() { return *guests_.at(kGuest); }
  FakeGuest& other() { return *guests_.at(kOther); }
  /// Xen lets go of it at once: nobody maps its page.
  void destroy(std::uint32_t domid) {
    guests_.erase(domid);
    machine_.destroy(domid);
    EXPECT_TRUE(machine_.gone(domid));
  }
  bool is_introduced(std::uint32_t domid) {
    return dom0_.call(support::kIsDomainIntroduced, zstrings({std::to_string(domid)})).payload ==
           std::string("T\0", 2);
  }
  std::string set_perms(const std::string& path, std::initializer_list<std::string_view> perms) {
    return dom0_.call(support::kSetPerms, zstrings({path}) + zstrings(perms)).error();
  }
  /// Whether `event` came, or comes within some seconds.
  bool hears(FrameClient& client, const Event& event) {
    for (int i = 0; i < 200; ++i) {
      const auto events = client.drain(10ms);
      if (std::find(events.begin(), events.end(), event) != events.end()) return true;
    }
    return false;
  }
  [[nodiscard]] std::uint64_t status(const std::string& key) { return status_number(dom0_, key); }

  // --- requests --------------------------------------------------------------------
  static std::string watch(FrameClient& client, std::string_view path, std::string_view token) {
    return client.call(support::kWatch, zstrings({path, token})).error();
  }
  static std::string bytes_of_write(std::string_view path, std::uint32_t req_id = 1) {
    return support::encode({.type = support::kWrite,
                            .req_id = req_id,
                            .tx_id = 0,
                            .payload = zstrings({path}) + "written"});
  }
  /// A watch, an open transaction with a write, and half a request.
  std::uint32_t begin_much(FrameClient& client) {
    EXPECT_EQ(watch(client, "/shared", "of-before"), "");
    const std::uint32_t tx = begin(client);
    EXPECT_EQ(write(client, "/shared/in-tx", "v", tx), "");
    (void)client.drain();
    client.send_bytes(bytes_of_write("/shared/half").substr(0, 25));
    return tx;
  }

  support::FakeMachine machine_;
  support::SupervisedDaemon supervised_{{.parent_dir = "/dev/shm", .machine = machine_.dir()}, 0ms};
  WireClient dom0_{supervised_.socket_path()};
  std::map<std::uint32_t, std::unique_ptr<FakeGuest>> guests_;
};

// ------------------------------------------------------------------------------------ domains

TEST_F(WhileDown, F9_ADomainThatDiesIsBuriedAfterwards) {
  ASSERT_EQ(write(guest(), "/shared/of-5/below", "v"), "");
  ASSERT_EQ(write(dom0_, "/for-5", "v"), "");
  ASSERT_EQ(set_perms("/for-5", {"n0", "r5"}), "");
  (void)begin_much(guest());
  const auto watches = status("watches");
  hold_down();
  destroy(kGuest);
  go_on();
  EXPECT_TRUE(hears(dom0_, {"@releaseDomain/5", "gone"}));
  EXPECT_FALSE(is_introduced(kGuest));
  EXPECT_TRUE(is_introduced(kOther));
  EXPECT_EQ(read(dom0_, "/shared/of-5"), "ENOENT");
  EXPECT_EQ(read(dom0_, "/shared/in-tx"), "ENOENT");
  EXPECT_EQ(dom0_.call(support::kGetPerms, zstrings({"/for-5"})).payload, zstrings({"n0"}));
  EXPECT_EQ(status("watches"), watches - 1);
  EXPECT_EQ(status("transactions"), 0U);
  EXPECT_EQ(write(other(), "/shared/of-6", "v"), "");
}

TEST_F(WhileDown, F8_AnotherDomainOnTheSameDomidInheritsNothing) {
  ASSERT_EQ(write(guest(), "/shared/of-5", "v"), "");
  ASSERT_EQ(write(dom0_, "/for-5", "v"), "");
  ASSERT_EQ(set_perms("/for-5", {"n0", "b5"}), "");
  const std::uint32_t tx = begin_much(guest());
  const auto watches = status("watches");
  hold_down();
  // What the dead one asked last is gone with its page.
  destroy(kGuest);
  machine_.create_domain(kGuest);
  {
    // Whoever is there now is not introduced: nobody looks at what it asks.
    FakeGuest heir(machine_.machine(), kGuest);
    (void)heir.send_some(bytes_of_write("/shared/too-early"));
  }
  go_on();
  EXPECT_TRUE(hears(dom0_, {"@releaseDomain/5", "gone"}));
  EXPECT_FALSE(is_introduced(kGuest));
  EXPECT_EQ(status("watches"), watches - 1);
  FakeGuest& heir = introduce(kGuest);
  EXPECT_EQ(read(dom0_, "/shared/too-early"), "ENOENT");
  EXPECT_EQ(read(dom0_, "/shared/half"), "ENOENT");
  EXPECT_EQ(read(dom0_, "/shared/of-5"), "ENOENT");
  EXPECT_EQ(read(heir, "/for-5"), "EACCES");
  EXPECT_EQ(write(heir, "/for-5", "x"), "EACCES");
  EXPECT_EQ(end(heir, tx), "ENOENT");
  EXPECT_EQ(write(heir, "/shared/new", "v"), "");
  EXPECT_EQ(watch(heir, "/shared", "of-before"), "") << "EEXIST: it has the dead one's watch";
  EXPECT_EQ(heir.drain(), (std::vector<Event>{{"/shared", "of-before"}}));
  EXPECT_EQ(begin(heir), 1U);
}

TEST_F(WhileDown, F8_AnotherDomainThatIsIntroducedBeforeTheDaemonLookedInheritsNothing) {
  ASSERT_EQ(write(guest(), "/shared/of-5", "v"), "");
  ASSERT_EQ(write(dom0_, "/for-5", "v"), "");
  ASSERT_EQ(set_perms("/for-5", {"n0", "b5"}), "");
  const std::uint32_t tx = begin_much(guest());
  hold_down();
  destroy(kGuest);
  machine_.create_domain(kGuest);
  FakeGuest heir(machine_.machine(), kGuest);
  dom0_.send(
      {.type = support::kIntroduce, .req_id = 77, .tx_id = 0, .payload = heir.introduction()});
  go_on();
  const Frame reply = dom0_.reply();
  EXPECT_EQ(reply.req_id, 77U);
  EXPECT_EQ(reply.error(), "");
  EXPECT_TRUE(hears(dom0_, {"@releaseDomain/5", "gone"}));
  EXPECT_TRUE(is_introduced(kGuest));
  EXPECT_EQ(read(dom0_, "/shared/of-5"), "ENOENT");
  EXPECT_EQ(read(heir, "/for-5"), "EACCES");
  EXPECT_EQ(end(heir, tx), "ENOENT");
  EXPECT_EQ(watch(heir, "/shared", "of-before"), "");
  EXPECT_EQ(write(heir, "/shared/new", "v"), "");
}

TEST_F(WhileDown, F7_AShutdownIsToldAfterwardsAndTheDomainStays) {
  ASSERT_EQ(write(guest(), "/shared/of-5", "v"), "");
  hold_down();
  machine_.shutdown(kGuest);
  go_on();
  EXPECT_TRUE(hears(dom0_, {"@releaseDomain/5", "gone"}));
  EXPECT_TRUE(is_introduced(kGuest));
  EXPECT_EQ(read(dom0_, "/shared/of-5"), "v");
  machine_.destroy(kGuest);
  EXPECT_TRUE(hears(dom0_, {"@releaseDomain/5", "gone"}));
}

TEST_F(WhileDown, F7_ADomainThatNobodyIntroducedYetMayComeAndGo) {
  hold_down();
  machine_.create_domain(9);
  machine_.destroy(9);
  machine_.create_domain(9);
  go_on();
  FakeGuest& late = introduce(9);
  EXPECT_EQ(write(late, "/shared/of-9", "v"), "");
}

// ------------------------------------------------------------------------------------ rings

TEST_F(WhileDown, A20_AGuestThatConnectsAnewBeginsAnew) {
  ASSERT_EQ(write(guest(), "/shared/of-5", "v"), "");
  const std::uint32_t tx = begin_much(guest());
  hold_down();
  guest().page().set(GuestPage::kConnection, 1);
  guest().notify();
  go_on();
  EXPECT_TRUE(guest().becomes(GuestPage::kConnection, 0));
  for (const auto index :
       {GuestPage::kReqCons, GuestPage::kReqProd, GuestPage::kRspCons, GuestPage::kRspProd}) {
    EXPECT_EQ(guest().page().get(index), 0U);
  }
  guest().start_over();
  EXPECT_EQ(end(guest(), tx), "ENOENT");
  EXPECT_EQ(write(guest(), "/shared/new", "v"), "");
  EXPECT_EQ(guest().drain(100ms), std::vector<Event>{}) << "its watches are gone";
  EXPECT_EQ(read(guest(), "/shared/half"), "ENOENT");
  EXPECT_EQ(read(guest(), "/shared/of-5"), "v") << "what it owns stays";
}

TEST_F(WhileDown, F3_AGuestThatIsResetAndIntroducedAgainBeginsAnew) {
  ASSERT_EQ(write(guest(), "/shared/of-5", "v"), "");
  const std::uint32_t tx = begin_much(guest());
  hold_down();
  machine_.soft_reset(kGuest);
  guest().start_over();
  go_on();
  EXPECT_EQ(dom0_.call(support::kIntroduce, guest().introduction()).error(), "");
  EXPECT_EQ(dom0_.drain(100ms), std::vector<Event>{}) << "the domain did not die";
  EXPECT_EQ(end(guest(), tx), "ENOENT");
  EXPECT_EQ(write(guest(), "/shared/new", "v"), "");
  EXPECT_EQ(guest().drain(100ms), std::vector<Event>{}) << "its watches are gone";
  EXPECT_EQ(read(guest(), "/shared/half"), "ENOENT");
  EXPECT_EQ(read(guest(), "/shared/of-5"), "v");
}

TEST_F(WhileDown, A10_AGuestThatOnlyWaitsIsAnsweredOnceAndInOrder) {
  const std::uint32_t tx = begin(guest());
  ASSERT_EQ(write(guest(), "/shared/in-tx", "v", tx), "");
  ASSERT_EQ(watch(guest(), "/shared/told", "t"), "");
  (void)guest().drain();
  hold_down();
  for (std::uint32_t id = 101; id <= 108; ++id) {
    guest().send_bytes(bytes_of_write("/shared/n" + std::to_string(id), id));
  }
  const std::string half = bytes_of_write("/shared/half", 109);
  guest().send_bytes(half.substr(0, 20));
  go_on();
  for (std::uint32_t id = 101; id <= 108; ++id) EXPECT_EQ(guest().reply().req_id, id);
  guest().send_bytes(half.substr(20));
  EXPECT_EQ(guest().reply().req_id, 109U);
  EXPECT_EQ(read(guest(), "/shared/half"), "written");
  ASSERT_EQ(write(dom0_, "/shared/told", "v"), "");
  EXPECT_TRUE(hears(guest(), {"/shared/told", "t"}));
  EXPECT_EQ(end(guest(), tx), "");
  EXPECT_EQ(read(dom0_, "/shared/in-tx"), "v");
  EXPECT_FALSE(guest().receive(100ms).has_value()) << "one reply too many";
}

// ------------------------------------------------------------------------------------ clients

TEST_F(WhileDown, A12_AClientThatClosesIsForgottenAndWhatItSentWholeIsDone) {
  const auto watches = status("watches");
  const auto connections = status("connections");
  {
    WireClient leaver(supervised_.socket_path());
    EXPECT_EQ(watch(leaver, "/shared", "of-before"), "");
    const std::uint32_t tx = begin(leaver);
    EXPECT_EQ(write(leaver, "/shared/in-tx", "v", tx), "");
    hold_down();
    leaver.send_bytes(bytes_of_write("/shared/one", 1));
    leaver.send_bytes(bytes_of_write("/shared/two", 2));
    leaver.send_bytes(bytes_of_write("/shared/half", 3).substr(0, 25));
  }
  go_on();
  for (int i = 0; i < 200 && status("connections") != connections; ++i) {
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_EQ(status("connections"), connections);
  EXPECT_EQ(status("watches"), watches);
  EXPECT_EQ(status("transactions"), 0U);
  EXPECT_EQ(read(dom0_, "/shared/one"), "written");
  EXPECT_EQ(read(dom0_, "/shared/two"), "written");
  EXPECT_EQ(read(dom0_, "/shared/half"), "ENOENT");
  EXPECT_EQ(read(dom0_, "/shared/in-tx"), "ENOENT");
}

TEST_F(WhileDown, A12_AClientThatComesAsksAndClosesIsServed) {
  hold_down();
  {
    WireClient passing(supervised_.socket_path());
    passing.send_bytes(bytes_of_write("/shared/passing"));
  }
  go_on();
  std::string value;
  for (int i = 0; i < 200 && value != "written"; ++i) {
    value = read(dom0_, "/shared/passing");
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_EQ(value, "written");
}

}  // namespace
}  // namespace vxs::test
