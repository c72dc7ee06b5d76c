// XenHypervisor over the calls of libxen*, answered by the fake machine: the library under
// tests/fakexen is linked before the real ones.
#include "daemon/hypervisor/xen_hypervisor.hh"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "protocol/ring_page.hh"
#include "tests/support/fake_machine.hh"

namespace vxs::daemon {
namespace {

using support::FakeMachine;

// One machine for the process: the library opens the directory of the first call.
FakeMachine& machine() {
  static FakeMachine one;
  return one;
}

class XenHypervisorTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { ::setenv("FAKEXEN_DIR", machine().dir().c_str(), 1); }

  void SetUp() override { open({}); }
  void open(XenHypervisor::Paths paths, process::Descriptor events = {}) {
    xen.reset();
    auto opened = XenHypervisor::open(std::move(paths), std::move(events));
    ASSERT_TRUE(opened) << opened.error();
    xen = std::move(*opened);
  }
  std::string file(const std::string& name, const std::string& content) {
    std::string path = directory.path() + "/" + name;
    std::ofstream(path) << content;
    return path;
  }
  bool readable() const {
    pollfd fd{.fd = xen->event_fd(), .events = POLLIN, .revents = 0};
    return ::poll(&fd, 1, 0) == 1;
  }

  // The daemon dies, and another one gets the descriptor from who kept it meanwhile.
  void die_and_come_back() {
    process::Descriptor kept(::fcntl(xen->event_fd(), F_DUPFD_CLOEXEC, 0));
    open({}, std::move(kept));
  }

  support::TempDir directory;
  std::unique_ptr<XenHypervisor> xen;
};

TEST_F(XenHypervisorTest, DomainsAreListedWithWhatXenKnowsOfThem) {
  fakexen::Uuid handle{};
  handle[0] = 0xab;
  machine().create_domain(7, handle);
  machine().create_domain(9);
  machine().shutdown(9);
  const auto all = xen->domains();
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 3U);
  EXPECT_EQ(all->at(0).domid, 0);
  EXPECT_EQ(all->at(1).domid, 7);
  EXPECT_EQ(all->at(1).handle[0], 0xab);
  EXPECT_FALSE(all->at(1).shutdown);
  EXPECT_EQ(all->at(2).domid, 9);
  EXPECT_TRUE(all->at(2).shutdown);

  EXPECT_EQ(xen->domain(7)->value().domid, 7);
  EXPECT_FALSE(xen->domain(8)->has_value()) << "the next one is not it";
  EXPECT_FALSE(xen->domain(100)->has_value());

  auto page = xen->map_ring(7);
  ASSERT_TRUE(page);
  machine().destroy({7, 9});
  EXPECT_TRUE(xen->domain(7)->value().dying) << "we map its page";
  page->reset();
  EXPECT_FALSE(xen->domain(7)->has_value());
}

TEST_F(XenHypervisorTest, A22_TheRingIsGrant1AndLetGoWithItsOwner) {
  const auto domain = machine().create_domain(7);
  auto page = xen->map_ring(7);
  ASSERT_TRUE(page);
  const protocol::RingPageView ours((*page)->bytes());
  ours.set_features(15);
  const auto theirs = machine().machine().map_page(7, false);
  ASSERT_TRUE(theirs);
  EXPECT_EQ(protocol::RingPageView(static_cast<std::byte*>(*theirs)).features(), 15U);
  machine().machine().unmap_page(*theirs, std::nullopt);
  EXPECT_EQ(xen->map_ring(8).error(), EINVAL);
  EXPECT_EQ(xen->bind_interdomain(8, 1).has_value(), false);
  xen.reset();  // the page keeps what it needs
  ours.set_features(7);
  page->reset();
  machine().destroy(7);
  EXPECT_TRUE(machine().gone(7));
  (void)domain;
}

TEST_F(XenHypervisorTest, A27_EventsComeOncePerUnmaskAndAskingNeverWaits) {
  const auto domain = machine().create_domain(7);
  const auto port = xen->bind_interdomain(7, domain.store_port);
  ASSERT_TRUE(port);
  EXPECT_TRUE(readable());
  EXPECT_EQ(xen->next_pending(), *port) << "a new binding is pending";
  EXPECT_EQ(xen->next_pending(), std::nullopt);
  ASSERT_TRUE(machine().machine().send(7, domain.store_port));
  EXPECT_EQ(xen->next_pending(), std::nullopt) << "masked";
  xen->unmask(*port);
  EXPECT_EQ(xen->next_pending(), *port) << "kept meanwhile";
  xen->unmask(*port);
  EXPECT_FALSE(readable());

  (void)machine().machine().take_event(7, domain.store_port);
  xen->notify(*port);
  EXPECT_TRUE(machine().machine().take_event(7, domain.store_port));
  xen->unbind(*port);
  xen->notify(*port);  // harmless
  EXPECT_TRUE(xen->bind_interdomain(7, domain.store_port)) << "free again";
  xen.reset();
  machine().destroy(7);
}

TEST_F(XenHypervisorTest, F7_TheDomainExceptionIsBoundOnce) {
  const auto port = xen->bind_domain_exception();
  ASSERT_TRUE(port);
  EXPECT_EQ(xen->bind_domain_exception().error(), EEXIST);
  EXPECT_EQ(xen->next_pending(), std::nullopt) << "what happened before is not reported";
  machine().raise_domain_exception();
  EXPECT_EQ(xen->next_pending(), *port);
}

TEST_F(XenHypervisorTest, AKeptDescriptorBringsItsPortsAlong) {
  const auto domain = machine().create_domain(7);
  const auto ring = xen->bind_interdomain(7, domain.store_port);
  const auto virq = xen->bind_domain_exception();
  ASSERT_TRUE(ring && virq);
  EXPECT_EQ(xen->next_pending(), *ring);
  machine().raise_domain_exception();
  EXPECT_EQ(xen->next_pending(), *virq);
  // Both are masked now. More comes while nobody is there.
  ASSERT_TRUE(machine().machine().send(7, domain.store_port));
  die_and_come_back();
  EXPECT_EQ(xen->next_pending(), std::nullopt);
  EXPECT_EQ(xen->bind_interdomain(7, domain.store_port), *ring) << "the same, not a new one";
  EXPECT_EQ(xen->next_pending(), *ring) << "unmasked, and nothing was lost";
  EXPECT_EQ(xen->bind_domain_exception(), *virq) << "no EEXIST";
  machine().raise_domain_exception();
  EXPECT_EQ(xen->next_pending(), *virq);
  xen->drop_unclaimed();
  xen->unmask(*ring);
  ASSERT_TRUE(machine().machine().send(7, domain.store_port));
  EXPECT_EQ(xen->next_pending(), *ring) << "what is claimed stays";
  EXPECT_EQ(xen->bind_domain_exception().error(), EEXIST);
  xen.reset();
  machine().destroy(7);
}

TEST_F(XenHypervisorTest, H8_AnEventChannelDeviceIsToldFromOtherDescriptors) {
  const auto domain = machine().create_domain(7);
  const auto ring = xen->bind_interdomain(7, domain.store_port);
  ASSERT_TRUE(ring);
  EXPECT_EQ(xen->next_pending(), *ring);
  EXPECT_EQ(check_event_device(xen->event_fd()), std::nullopt);
  xen->unmask(*ring);
  ASSERT_TRUE(machine().machine().send(7, domain.store_port));
  EXPECT_EQ(xen->next_pending(), *ring) << "what is bound stays bound";
  int pipe[2] = {-1, -1};
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  const process::Descriptor in(pipe[0]);
  const process::Descriptor out(pipe[1]);
  EXPECT_EQ(check_event_device(in.get()),
            "descriptor " + std::to_string(in.get()) + " is no event-channel device");
  EXPECT_EQ(check_event_device(-1), "descriptor -1 is not open: Bad file descriptor");
  EXPECT_EQ(::fcntl(in.get(), F_GETFD), FD_CLOEXEC) << "it stays the caller's";
  xen.reset();
  machine().destroy(7);
}

TEST_F(XenHypervisorTest, WhatNobodyClaimsOfAKeptDescriptorIsUnbound) {
  const auto domain = machine().create_domain(7);
  ASSERT_TRUE(xen->bind_interdomain(7, domain.store_port));
  ASSERT_TRUE(xen->bind_domain_exception());
  die_and_come_back();
  xen->drop_unclaimed();
  EXPECT_EQ(machine().machine().port_status(7, domain.store_port)->kind, fakexen::kUnbound);
  EXPECT_TRUE(xen->bind_interdomain(7, domain.store_port));
  EXPECT_TRUE(xen->bind_domain_exception());
  xen.reset();
  machine().destroy(7);
}

TEST_F(XenHypervisorTest, WhatOthersHaveBoundIsNeitherClaimedNorUnbound) {
  const auto domain = machine().create_domain(7);
  auto other = XenHypervisor::open({});
  ASSERT_TRUE(other);
  ASSERT_TRUE((*other)->bind_interdomain(7, domain.store_port));
  die_and_come_back();
  EXPECT_EQ(xen->bind_interdomain(7, domain.store_port).error(), EINVAL);
  xen->drop_unclaimed();
  EXPECT_EQ(machine().machine().port_status(7, domain.store_port)->kind, fakexen::kInterdomain);
  xen.reset();
  other->reset();
  machine().destroy(7);
}

TEST_F(XenHypervisorTest, APortThatClosedWhileNobodyWasThereIsBoundAnew) {
  const auto domain = machine().create_domain(7);
  const auto before = xen->bind_interdomain(7, domain.store_port);
  ASSERT_TRUE(before);
  ASSERT_EQ(machine().soft_reset(7), domain.store_port);
  die_and_come_back();
  const auto after = xen->bind_interdomain(7, domain.store_port);
  ASSERT_TRUE(after);
  EXPECT_NE(*after, *before);
  xen->drop_unclaimed();
  EXPECT_EQ(machine().machine().port_status(0, *before)->kind, fakexen::kClosed);
  EXPECT_EQ(machine().machine().port_status(0, *after)->kind, fakexen::kInterdomain);
  xen.reset();
  machine().destroy(7);
}

// --- what was looked at before the descriptor came -------------------------------

class XenAheadTest : public XenHypervisorTest {
 protected:
  void TearDown() override {
    xen.reset();
    for (const std::uint32_t domid : {7U, 8U}) {
      if (machine().machine().domain(domid)) machine().destroy(domid);
    }
  }
  // The next program looks while this one goes on.
  void look(std::vector<DomId> introduced) {
    ahead = XenAhead::look(introduced);
    ASSERT_NE(ahead, nullptr);
  }
  // This one ends, and the next one has its turn.
  void turn() {
    process::Descriptor kept(::fcntl(xen->event_fd(), F_DUPFD_CLOEXEC, 0));
    xen.reset();
    auto opened = XenHypervisor::open({}, std::move(kept), std::move(ahead));
    ASSERT_TRUE(opened) << opened.error();
    xen = std::move(*opened);
  }
  void trust(bool rings, bool channels) {
    xen->trust_ahead(
        *xen->domains(), [rings](DomId) { return rings; }, channels);
  }
  static fakexen::PortKind kind(Port local) {
    return machine().machine().port_status(0, local)->kind;
  }

  std::unique_ptr<XenAhead> ahead;
};

TEST_F(XenAheadTest, APageThatWasMappedIsUsed) {
  (void)machine().create_domain(7);
  look({7, 9});
  turn();
  trust(true, true);
  machine().destroy(7);  // maps nobody any more
  auto page = xen->map_ring(7);
  ASSERT_TRUE(page) << "it is mapped";
  EXPECT_EQ(xen->map_ring(7).error(), EINVAL) << "once";
  EXPECT_FALSE(xen->map_ring(9)) << "there was none to map";
  page->reset();
  EXPECT_TRUE(machine().gone(7));
}

TEST_F(XenAheadTest, APageOfARingThatChangedIsLetGo) {
  (void)machine().create_domain(7);
  (void)machine().create_domain(8);
  look({7, 8});
  machine().destroy(8);
  EXPECT_TRUE(xen->domain(8)->value().dying) << "it is held, and its domid is not free";
  turn();
  trust(false, true);
  EXPECT_TRUE(machine().gone(8));
  ASSERT_TRUE(xen->map_ring(7)) << "anew";
  machine().destroy(7);
  EXPECT_TRUE(machine().gone(7));
}

TEST_F(XenAheadTest, APageOfAnotherLifeIsLetGo) {
  (void)machine().create_domain(7);
  look({7});
  turn();
  auto now = *xen->domains();
  ASSERT_EQ(now.back().domid, 7);
  now.back().handle[3] ^= 1;
  xen->trust_ahead(
      now, [](DomId) { return true; }, true);
  machine().destroy(7);
  EXPECT_TRUE(machine().gone(7));
}

TEST_F(XenAheadTest, WithoutTrustAllIsLookedAtAnew) {
  (void)machine().create_domain(7);
  look({7});
  const auto domain = machine().create_domain(8);
  const auto ring = xen->bind_interdomain(8, domain.store_port);
  ASSERT_TRUE(ring);
  turn();
  EXPECT_EQ(xen->bind_interdomain(8, domain.store_port), *ring);
  xen->drop_unclaimed();
  EXPECT_EQ(kind(*ring), fakexen::kInterdomain);
  machine().destroy(7);
  EXPECT_TRUE(machine().gone(7)) << "and its page is let go";
}

TEST_F(XenAheadTest, WhatWasBoundSinceIsTakenUpAndNotBoundOnceMore) {
  const auto seven = machine().create_domain(7);
  const auto eight = machine().create_domain(8);
  const auto first = xen->bind_interdomain(7, seven.store_port);
  look({7, 8});
  const auto second = xen->bind_interdomain(8, eight.store_port);
  const auto virq = xen->bind_domain_exception();
  ASSERT_TRUE(first && second && virq);
  turn();
  trust(true, true);  // the caller believes that there was no change
  EXPECT_EQ(xen->bind_interdomain(7, seven.store_port), *first);
  EXPECT_EQ(xen->bind_interdomain(8, eight.store_port), *second) << "not EINVAL";
  EXPECT_EQ(xen->bind_domain_exception(), *virq) << "not EEXIST";
  xen->drop_unclaimed();
  for (const Port port : {*first, *second}) EXPECT_EQ(kind(port), fakexen::kInterdomain);
  EXPECT_EQ(kind(*virq), fakexen::kVirq);
}

// Ports that were let go and bound again for each other.
TEST_F(XenAheadTest, PortsThatHaveAnotherOtherEndSinceAreNotMistaken) {
  const auto seven = machine().create_domain(7);
  const auto eight = machine().create_domain(8);
  const auto first = xen->bind_interdomain(7, seven.store_port);
  const auto second = xen->bind_interdomain(8, eight.store_port);
  ASSERT_TRUE(first && second);
  look({7, 8});
  xen->unbind(*first);
  xen->unbind(*second);
  ASSERT_EQ(xen->bind_interdomain(8, eight.store_port), *first);
  ASSERT_EQ(xen->bind_interdomain(7, seven.store_port), *second);
  turn();
  trust(true, false);
  EXPECT_EQ(xen->bind_interdomain(7, seven.store_port), *second);
  EXPECT_EQ(xen->bind_interdomain(8, eight.store_port), *first);
}

TEST_F(XenAheadTest, WhatNobodyClaimsIsUnbound) {
  const auto domain = machine().create_domain(7);
  const auto ring = xen->bind_interdomain(7, domain.store_port);
  ASSERT_TRUE(ring);
  look({7});
  turn();
  trust(true, true);
  xen->drop_unclaimed();
  EXPECT_EQ(kind(*ring), fakexen::kClosed);
  machine().destroy(7);
  EXPECT_TRUE(machine().gone(7)) << "the page that nobody asked for, too";
}

TEST_F(XenHypervisorTest, A24_TheOwnRingIsFoundWhereThePathsSay) {
  const auto own = xen->map_own_ring();
  ASSERT_TRUE(own) << std::strerror(own.error());
  EXPECT_EQ(own->remote_port, fakexen::kDom0StorePort);
  EXPECT_TRUE(xen->bind_interdomain(0, own->remote_port));

  const std::string page = file("kva", std::string(protocol::kRingPageSize, '\0'));
  open({.own_page = page, .own_port = file("port", "42\n")});
  auto elsewhere = xen->map_own_ring();
  ASSERT_TRUE(elsewhere) << std::strerror(elsewhere.error());
  EXPECT_EQ(elsewhere->remote_port, 42U);
  protocol::RingPageView(elsewhere->page->bytes()).set_features(15);
  std::ifstream in(page);
  in.seekg(static_cast<std::streamoff>(protocol::kRingFeatures));
  EXPECT_EQ(in.get(), 15) << "shared, not a copy";
}

TEST_F(XenHypervisorTest, A24_APortThatIsNoPortIsAnError) {
  const std::string page = file("kva", std::string(protocol::kRingPageSize, '\0'));
  for (const std::string text : {"", "0", "-1", "seven", "7x", "7 8", "4294967296", "\n7",
                                 "99999999999999999999999999999999"}) {
    open({.own_page = page, .own_port = file("port", text)});
    EXPECT_EQ(xen->map_own_ring().error(), EINVAL) << "'" << text << "'";
  }
  open({.own_page = page, .own_port = directory.path() + "/none"});
  EXPECT_EQ(xen->map_own_ring().error(), ENOENT);
  open({.own_page = directory.path() + "/none", .own_port = file("port", "7")});
  EXPECT_EQ(xen->map_own_ring().error(), ENOENT);
}

TEST_F(XenHypervisorTest, A26_TheDescriptorIsNotInherited) {
  EXPECT_NE(::fcntl(xen->event_fd(), F_GETFD) & FD_CLOEXEC, 0);
}

}  // namespace
}  // namespace vxs::daemon
