// The fake machine and the fake guests, shown to be right by daemons that were written for Xen.
#include <gtest/gtest.h>

#include <optional>

#include "tests/support/fake_guest.hh"
#include "tests/support/fake_machine.hh"
#include "tests/support/requests.hh"
#include "tests/support/stock_daemon.hh"
#include "tests/support/temp_dir.hh"
#include "tests/support/wire_client.hh"

namespace vxs::support {
namespace {

using Events = std::vector<Event>;

class StockRings : public ::testing::Test {
 protected:
  void SetUp() override {
    start();
  }
  virtual void start() { daemon_.emplace(StockDaemon::start_c(dir_.path(), "", machine_.dir())); }
  [[nodiscard]] WireClient connect() const { return WireClient(daemon_->socket_path()); }

  // A guest that dom0 introduced, with a home of its own.
  FakeGuest guest(uint32_t domid) {
    machine_.create_domain(domid);
    WireClient dom0 = connect();
    EXPECT_EQ(make_home(dom0, domid), "");
    FakeGuest result(machine_.machine(), domid);
    EXPECT_EQ(dom0.call(kIntroduce, result.introduction()).payload, zstrings({"OK"}));
    return result;
  }

  FakeMachine machine_;
  TempDir dir_;
  std::optional<StockDaemon> daemon_;
};

class OxenstoredRings : public StockRings {
 protected:
  void start() override {
    daemon_.emplace(StockDaemon::start_oxenstored(dir_.path(), "", machine_.dir()));
  }
};

std::string node(std::string path, std::string_view value) {
  path.push_back('\0');
  return path.append(value);
}

TEST_F(StockRings, A24_Dom0KernelTalksOverItsOwnRing) {
  FakeGuest kernel(machine_.machine(), 0);
  EXPECT_EQ(kernel.call(kWrite, node("/a", "v")).payload, zstrings({"OK"}));
  EXPECT_EQ(connect().call(kRead, zstrings({"/a"})).payload, "v");
}

TEST_F(StockRings, A10_MessagesLargerThanTheRingPassBothWays) {
  FakeGuest kernel(machine_.machine(), 0);
  const std::string value(4000, 'x');
  EXPECT_EQ(kernel.call(kWrite, node("/a", value)).payload, zstrings({"OK"}));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(kernel.call(kRead, zstrings({"/a"})).payload, value);
}

TEST_F(StockRings, F2_AGuestIsServedOnceItIsIntroduced) {
  machine_.create_domain(5);
  FakeGuest early(machine_.machine(), 5);
  early.send({kGetDomainPath, 1, 0, zstrings({"5"})});
  EXPECT_EQ(early.receive(std::chrono::milliseconds(50)), std::nullopt);
  machine_.destroy(5);
  ASSERT_TRUE(machine_.gone(5));
  FakeGuest five = guest(5);
  EXPECT_EQ(five.call(kWrite, node("name", "five")).payload, zstrings({"OK"}));
  EXPECT_EQ(five.call(kRead, zstrings({"/local/domain/5/name"})).payload, "five");
}

TEST_F(StockRings, B14_IntroduceOfADomainWithoutPageOrPortFails) {
  machine_.create_domain(5, {}, false);
  WireClient dom0 = connect();
  EXPECT_EQ(dom0.call(kIntroduce, zstrings({"5", "1", "1"})).error(), "EINVAL");
  EXPECT_EQ(dom0.call(kIntroduce, zstrings({"6", "1", "1"})).error(), "EINVAL");
  const auto six = machine_.create_domain(6);
  EXPECT_EQ(dom0.call(kIntroduce, zstrings({"6", "1", std::to_string(six.store_port + 1)})).error(),
            "EINVAL");
}

TEST_F(StockRings, C9_AGuestHasTheRightsOfAGuest) {
  FakeGuest five = guest(5);
  FakeGuest six = guest(6);
  five.call(kWrite, node("mine", "v"));
  EXPECT_EQ(six.call(kRead, zstrings({"/local/domain/5/mine"})).error(), "EACCES");
  EXPECT_EQ(five.call(kSetPerms, zstrings({"mine", "n5", "r6"})).payload, zstrings({"OK"}));
  EXPECT_EQ(six.call(kRead, zstrings({"/local/domain/5/mine"})).payload, "v");
  EXPECT_EQ(six.call(kWrite, node("/local/domain/5/mine", "w")).error(), "EACCES");
  EXPECT_EQ(five.call(kIntroduce, five.introduction()).error(), "EACCES");
}

TEST_F(StockRings, D3_WatchEventsReachAGuestThatWaitsForNothingElse) {
  FakeGuest five = guest(5);
  five.call(kWatch, zstrings({"x", "t"}));
  EXPECT_EQ(five.drain(), (Events{{"x", "t"}}));
  connect().call(kWrite, node("/local/domain/5/x/y", "v"));
  const auto event = five.receive();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->payload, zstrings({"x/y", "t"}));
}

TEST_F(StockRings, E5_AGuestsTransactionsCommitAndConflict) {
  FakeGuest five = guest(5);
  const auto start = [&] {
    return static_cast<uint32_t>(
        std::stoul(five.call(kTransactionStart, zstrings({""})).payload.c_str()));
  };
  const uint32_t first = start();
  five.call(kWrite, node("x", "1"), first);
  EXPECT_EQ(five.call(kRead, zstrings({"x"})).error(), "ENOENT");
  EXPECT_EQ(five.call(kTransactionEnd, zstrings({"T"}), first).payload, zstrings({"OK"}));
  EXPECT_EQ(five.call(kRead, zstrings({"x"})).payload, "1");
  const uint32_t second = start();
  five.call(kRead, zstrings({"x"}), second);
  connect().call(kWrite, node("/local/domain/5/x", "2"));
  five.call(kWrite, node("x", "3"), second);
  EXPECT_EQ(five.call(kTransactionEnd, zstrings({"T"}), second).error(), "EAGAIN");
}

TEST_F(StockRings, D17_IntroductionShutdownAndDeathAreTold) {
  WireClient dom0 = connect();
  dom0.call(kWatch, zstrings({"@introduceDomain", "i"}));
  dom0.call(kWatch, zstrings({"@releaseDomain", "r"}));
  dom0.drain();
  FakeGuest five = guest(5);
  EXPECT_EQ(dom0.drain(), (Events{{"@introduceDomain", "i"}}));
  machine_.shutdown(5);
  EXPECT_EQ(dom0.receive()->payload, zstrings({"@releaseDomain", "r"}));
  EXPECT_EQ(dom0.call(kIsDomainIntroduced, zstrings({"5"})).payload, zstrings({"T"}));
  machine_.destroy(5);
  EXPECT_TRUE(machine_.gone(5));
  EXPECT_EQ(dom0.receive()->payload, zstrings({"@releaseDomain", "r"}));
  EXPECT_EQ(dom0.call(kIsDomainIntroduced, zstrings({"5"})).payload, zstrings({"F"}));
  EXPECT_THROW(five.call(kRead, zstrings({"x"})), WireError);
}

TEST_F(StockRings, ACrashIsAShutdownToo) {
  WireClient dom0 = connect();
  FakeGuest five = guest(5);
  dom0.call(kWatch, zstrings({"@releaseDomain", "r"}));
  dom0.drain();
  machine_.shutdown(5, kCrash);
  EXPECT_EQ(dom0.receive()->payload, zstrings({"@releaseDomain", "r"}));
}

TEST_F(StockRings, F7_ADyingDomainStaysUntilItsPageIsUnmapped) {
  FakeGuest five = guest(5);
  daemon_->process().signal(SIGSTOP);
  machine_.destroy(5);
  EXPECT_FALSE(machine_.gone(5, std::chrono::milliseconds(50)));
  EXPECT_THROW(machine_.create_domain(5), std::system_error);
  daemon_->process().signal(SIGCONT);
  EXPECT_TRUE(machine_.gone(5));
}

TEST_F(StockRings, F8_ADomidComesAgainWithAnotherHandleAndAnEmptyPage) {
  FakeGuest old = guest(5);
  old.call(kWrite, node("x", "old"));
  machine_.destroy(5);
  ASSERT_TRUE(machine_.gone(5));
  FakeGuest again = guest(5);
  EXPECT_EQ(again.call(kRead, zstrings({"x"})).error(), "ENOENT");
  EXPECT_THROW(old.call(kRead, zstrings({"x"})), WireError);
}

TEST_F(StockRings, F3_SoftResetAndReintroductionGiveTheGuestAFreshRing) {
  FakeGuest five = guest(5);
  five.call(kWrite, node("x", "v"));
  machine_.shutdown(5, kSoftReset);
  machine_.soft_reset(5);
  five.start_over();
  EXPECT_EQ(connect().call(kIntroduce, five.introduction()).payload, zstrings({"OK"}));
  EXPECT_EQ(five.page().get(GuestPage::kReqProd), 0U);
  EXPECT_EQ(five.call(kRead, zstrings({"x"})).payload, "v");
}

TEST_F(StockRings, A17_ABadIndexFreezesTheRingAndKeepsTheDomain) {
  FakeGuest five = guest(5);
  five.page().set(GuestPage::kReqProd, five.page().get(GuestPage::kReqCons) + kRingSize + 1);
  five.notify();
  EXPECT_TRUE(five.becomes(GuestPage::kError, 2));
  EXPECT_EQ(connect().call(kIsDomainIntroduced, zstrings({"5"})).payload, zstrings({"T"}));
}

TEST_F(StockRings, F11_AGuestMayDieTogetherWithItsStubDomain) {
  FakeGuest five = guest(5);
  FakeGuest stub = guest(6);
  WireClient dom0 = connect();
  EXPECT_EQ(dom0.call(kSetTarget, zstrings({"6", "5"})).payload, zstrings({"OK"}));
  EXPECT_EQ(stub.call(kWrite, node("/local/domain/5/x", "v")).payload, zstrings({"OK"}));
  machine_.destroy({5, 6});
  EXPECT_TRUE(machine_.gone(5));
  EXPECT_TRUE(machine_.gone(6));
  EXPECT_EQ(dom0.call(kIsDomainIntroduced, zstrings({"6"})).payload, zstrings({"F"}));
}

TEST_F(StockRings, PortsOfADaemonThatWasKilledCanBeBoundAgain) {
  FakeGuest five = guest(5);
  auto& machine = machine_.machine();
  EXPECT_EQ(machine.port_status(5, five.port())->kind, fakexen::kInterdomain);
  daemon_->process().kill9();
  EXPECT_EQ(machine.port_status(5, five.port())->kind, fakexen::kUnbound);
  TempDir second;
  daemon_.emplace(StockDaemon::start_c(second.path(), "", machine_.dir()));
  EXPECT_EQ(connect().call(kIntroduce, five.introduction()).payload, zstrings({"OK"}));
  EXPECT_EQ(five.call(kRead, zstrings({"/tool"})).error(), "EACCES");
  FakeGuest kernel(machine, 0);
  EXPECT_EQ(kernel.call(kRead, zstrings({"/tool"})).payload, "");
}

TEST_F(OxenstoredRings, Dom0AndGuestsAreServed) {
  FakeGuest kernel(machine_.machine(), 0);
  EXPECT_EQ(kernel.call(kWrite, node("/a", "v")).payload, zstrings({"OK"}));
  FakeGuest five = guest(5);
  EXPECT_EQ(five.page().get(GuestPage::kFeatures), 1U);  // A19
  EXPECT_EQ(five.call(kWrite, node("x", "v")).payload, zstrings({"OK"}));
  EXPECT_EQ(connect().call(kRead, zstrings({"/local/domain/5/x"})).payload, "v");
}

TEST_F(OxenstoredRings, F7_DeathIsNoticedAndTold) {
  WireClient dom0 = connect();
  FakeGuest five = guest(5);
  dom0.call(kWatch, zstrings({"@releaseDomain", "r"}));
  dom0.drain();
  machine_.shutdown(5);
  EXPECT_EQ(dom0.receive()->payload, zstrings({"@releaseDomain", "r"}));
  machine_.destroy(5);
  EXPECT_EQ(dom0.receive()->payload, zstrings({"@releaseDomain", "r"}));
  EXPECT_TRUE(machine_.gone(5));
}

// A22, F4: the frame counts for oxenstored, and the grant for C.
TEST_F(OxenstoredRings, IntroduceWithAnotherFrameThanTheRingsFails) {
  const auto five = machine_.create_domain(5);
  EXPECT_EQ(
      connect().call(kIntroduce, zstrings({"5", "1", std::to_string(five.store_port)})).error(),
      "EINVAL");
}

}  // namespace
}  // namespace vxs::support
