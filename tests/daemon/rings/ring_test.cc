// Life of a ring: attached, served, begun anew, detached.
#include <cerrno>

#include "tests/daemon/rings/ring_fixture.hh"

namespace vxs::test {
namespace {

using daemon::kFeatureError;
using daemon::kFeatureReconnect;
using daemon::kOfferedFeatures;

TEST_F(RingTest, A15_ARequestIsAnsweredOverTheRing) {
  Guest& guest = introduce(1);
  EXPECT_EQ(write(guest, "/a", "value"), "OK");
  EXPECT_EQ(read(guest, "/a"), "value");
  EXPECT_EQ(read(guest, "/b"), "ENOENT");
}

TEST_F(RingTest, F2_IntroductionZeroesTheIndicesAndPublishesFeatures) {
  Guest& guest = create(1);
  for (const auto offset : {protocol::kRingReqCons, protocol::kRingReqProd, protocol::kRingRspCons,
                            protocol::kRingRspProd}) {
    page(guest).store(offset, 77);
  }
  introduce(1);
  for (const auto offset : {protocol::kRingReqCons, protocol::kRingReqProd, protocol::kRingRspCons,
                            protocol::kRingRspProd}) {
    EXPECT_EQ(page(guest).load(offset), 0U);
  }
  EXPECT_EQ(page(guest).features(), 15U);
  EXPECT_EQ(read(guest, "/"), "");
}

TEST_F(RingTest, A19_TheFeaturesWrittenAreThoseOfTheDomain) {
  EXPECT_EQ(page(introduce(1, Begin::kFresh, kFeatureError)).features(), 2U);
}

TEST_F(RingTest, A19_ARestartOnlyAddsFeatures) {
  Guest& guest = create(1);
  page(guest).set_features(16 | kFeatureError);
  introduce(1, Begin::kResumed, kFeatureReconnect);
  EXPECT_EQ(page(guest).features(), 16U | kFeatureError | kFeatureReconnect);
}

TEST_F(RingTest, AttachTouchesNothingInThePage) {
  Guest& guest = create(1);
  for (auto& byte : guest.memory->bytes) byte = std::byte{0xa5};
  ASSERT_TRUE(rings.attach(1, guest.port, false));
  passes();  // the new binding's event comes before anybody is served
  for (const auto byte : guest.memory->bytes) ASSERT_EQ(byte, std::byte{0xa5});
}

TEST_F(RingTest, A22_ADomainWithoutAGrantIsRefusedAndNothingIsKept) {
  create(1);
  xen.map_errno = EINVAL;
  const auto unmapped = rings.attach(1, 11, true);
  EXPECT_EQ(unmapped.error().code, EINVAL);
  EXPECT_FALSE(unmapped.error().no_such_port);
  EXPECT_EQ(rings.ring_count(), 0U);
  xen.map_errno = 0;
  const std::map<int, bool> said{{EINVAL, true},  {ESRCH, true},   {ENOENT, true},
                                 {ENOMEM, false}, {ENOSPC, false}, {EMFILE, false}};
  for (const auto& [code, says_no] : said) {
    xen.bind_errno = code;
    const auto unbound = rings.attach(1, 11, true);
    EXPECT_EQ(unbound.error().code, code);
    EXPECT_EQ(unbound.error().no_such_port, says_no) << code;
  }
  EXPECT_EQ(rings.ring_count(), 0U);
  EXPECT_EQ(xen.mapped, 0);
  EXPECT_EQ(xen.bound(), 0U);
  xen.bind_errno = 0;
  EXPECT_EQ(rings.attach(1, 11, true), 11U);
  EXPECT_EQ(rings.attach(1, 11, true).error().code, EBUSY) << "attached already";
}

TEST_F(RingTest, A23_ThePortInThePageGoesBeforeThatOfIntroduce) {
  Guest& guest = create(1);
  xen.at(1).channels[99] = 0;
  page(guest).set_evtchn_port(99);
  EXPECT_EQ(rings.attach(1, guest.port, true), 99U);
  rings.detach(1);
  EXPECT_EQ(rings.attach(1, guest.port, false), guest.port);
}

TEST_F(RingTest, A21_IntroductionAnswersAWaitingConnectionWord) {
  Guest& guest = create(1);
  page(guest).set_connection(1);
  introduce(1);
  EXPECT_EQ(page(guest).connection(), 0U);
  EXPECT_GE(xen.at(1).notified, 1U);
  EXPECT_EQ(read(guest, "/"), "");
}

TEST_F(RingTest, A24_TheOwnRingIsAnOrdinaryRingOfTheStoreDomain) {
  Guest& kernel = create(0);
  xen.own_port = kernel.port;
  ASSERT_TRUE(rings.attach_own(0));
  EXPECT_EQ(rings.attach_own(0).error(), EBUSY);
  kernel.connection = &connect(0);
  rings.serve(0, *kernel.connection, Begin::kFresh);
  EXPECT_EQ(xen.at(0).notified, 1U) << "the kernel waits for the first event";
  EXPECT_EQ(call(kernel, wire::kGetDomainPath, zstrings({"3"})), "/local/domain/3");
  EXPECT_EQ(call(kernel, wire::kIsDomainIntroduced, zstrings({"0"})), "T") << "privileged";
}

TEST_F(RingTest, A20_AGuestConnectsAnew) {
  Guest& guest = introduce(1);
  Guest& other = introduce(2);
  ASSERT_EQ(call(guest, wire::kWatch, zstrings({"/w", "t"})), "OK");
  ASSERT_EQ(call(guest, wire::kTransactionStart, zstrings({""})), "1");
  passes();
  // Half a request and unread replies are in the ring; the indices are anywhere.
  guest.ring->put(support::RingGuest::frame(wire::kWrite, std::string(2000, 'x')));
  signal(guest);
  passes();
  ASSERT_EQ(server.branch_count(), 1U);
  const auto before = xen.at(1).notified;
  page(guest).set_connection(1);
  signal(guest);
  passes();
  EXPECT_EQ(page(guest).connection(), 0U);
  EXPECT_GT(xen.at(1).notified, before);
  for (const auto offset : {protocol::kRingReqCons, protocol::kRingReqProd, protocol::kRingRspCons,
                            protocol::kRingRspProd}) {
    EXPECT_EQ(page(guest).load(offset), 0U);
  }
  EXPECT_EQ(server.watches().size(), 0U);
  EXPECT_EQ(server.branch_count(), 0U);
  guest.ring->forget();
  guest.got.clear();
  EXPECT_EQ(write(guest, "/w", "1"), "OK");
  EXPECT_EQ(write(other, "/w", "2"), "OK");
  EXPECT_EQ(take(guest), Texts{}) << "the watch is gone";
}

TEST_F(RingTest, A20_TheConnectionWordIsLookedAtBeforeAnythingIsReadOrWritten) {
  Guest& guest = introduce(1);
  Guest& other = introduce(2);
  ASSERT_EQ(call(guest, wire::kWatch, zstrings({"/w", "t"})), "OK");
  passes();
  drain(guest);
  // A request of the old stream is still there, and an event is due for it.
  guest.ring->put(support::RingGuest::frame(wire::kWrite, zstrings({"/old"})));
  page(guest).set_connection(1);
  const auto replies = [&] {
    return std::string(reinterpret_cast<const char*>(guest.memory->bytes.data()) + 1024, 1024);
  };
  const std::string before = replies();
  ASSERT_EQ(write(other, "/w", "1"), "OK");
  passes();
  EXPECT_EQ(page(guest).load(protocol::kRingRspProd), 0U);
  EXPECT_TRUE(replies() == before);
  EXPECT_EQ(page(guest).connection(), 0U) << "seen when the event was to be written";
  EXPECT_EQ(read(other, "/old"), "ENOENT");
}

TEST_F(RingTest, A20_WithoutTheFeatureTheConnectionWordMeansNothing) {
  Guest& guest = introduce(1, Begin::kFresh, kFeatureError);
  page(guest).set_connection(1);
  EXPECT_EQ(read(guest, "/"), "");
  EXPECT_EQ(page(guest).connection(), 1U);
}

TEST_F(RingTest, F3_ReintroductionBeginsTheStreamAnewOnTheNewPort) {
  Guest& guest = introduce(1);
  guest.ring->put(support::RingGuest::frame(wire::kWrite, std::string(2000, 'x')));
  signal(guest);
  passes();
  xen.at(1).channels[50] = 0;
  server.reset_ring(*guest.connection);
  rings.reintroduce(1, 50);
  EXPECT_EQ(xen.at(1).channels[guest.port], 0U) << "the old port is free";
  guest.port = 50;
  guest.ring->forget();
  EXPECT_EQ(page(guest).load(protocol::kRingReqCons), 0U);
  EXPECT_EQ(read(guest, "/"), "") << "the half request is forgotten";
  EXPECT_EQ(page(guest).features(), 15U);
}

TEST_F(RingTest, F3_AFailureToBindIsToleratedAndTheSlowScanServesTheRing) {
  Guest& guest = introduce(1);
  server.reset_ring(*guest.connection);
  EXPECT_FALSE(rings.reintroduce(1, 4711));
  EXPECT_EQ(observer.warnings.size(), 1U);
  passes();
  guest.ring->put(support::RingGuest::frame(wire::kRead, zstrings({"/"})));
  passes();
  EXPECT_EQ(take(guest), Texts{}) << "no event can tell of it";
  rings.scan(1);
  passes();
  EXPECT_EQ(take(guest).size(), 1U);
}

TEST_F(RingTest, A25_ARestartGoesOnWhereTheRingWas) {
  Guest& guest = introduce(1);
  ASSERT_EQ(write(guest, "/a", "1"), "OK");
  // The daemon dies; the guest asks meanwhile and its signal is lost.
  release(guest);
  guest.ring->put(support::RingGuest::frame(wire::kRead, zstrings({"/a"})));
  signal(guest);
  introduce(1, Begin::kResumed);
  passes();
  EXPECT_EQ(take(guest), Texts{"1"});
}

TEST_F(RingTest, A25_ARequestHalfWrittenWhenTheDaemonDiedIsFoundAgain) {
  Guest& guest = introduce(1);
  const std::string request = support::RingGuest::frame(wire::kRead, zstrings({"/none"}));
  guest.ring->put(request.substr(0, request.size() - 2));
  signal(guest);
  passes();
  release(guest);
  introduce(1, Begin::kResumed);
  guest.ring->put(request.substr(request.size() - 2));
  signal(guest);
  passes();
  EXPECT_EQ(take(guest), Texts{"ENOENT"});
}

TEST_F(RingTest, DetachUnbindsAndUnmaps) {
  Guest& guest = introduce(1);
  release(guest);
  EXPECT_EQ(xen.mapped, 0);
  EXPECT_EQ(xen.bound(), 0U);
  rings.detach(1);  // harmless
  rings.pause(1, true);
  rings.reintroduce(1, 5);
  passes();
  introduce(1);
  EXPECT_EQ(read(guests.at(1), "/"), "");
}

TEST_F(RingTest, F7_TheDomainExceptionIsReportedOncePerPass) {
  int calls = 0;
  ASSERT_TRUE(rings.watch_domains([&] { ++calls; }));
  EXPECT_EQ(rings.watch_domains([] {}).error(), EEXIST);
  calls = 0;
  pass();
  EXPECT_EQ(calls, 0);
  for (int i = 1; i <= 3; ++i) {
    xen.raise_domain_exception();
    xen.raise_domain_exception();
    pass();
    EXPECT_EQ(calls, i);
    pass();
    EXPECT_EQ(calls, i);
  }
}

// At start, a domain that died after Xen was asked for all of them and before the event was bound
// was never noticed.
TEST_F(RingTest, Bug_DomainsAreLookedAtOnceTheirEventIsBound) {
  xen.raise_domain_exception();  // nobody hears it
  int calls = 0;
  ASSERT_TRUE(rings.watch_domains([&] { ++calls; }));
  EXPECT_EQ(calls, 1);
}

// J22, XSA-233, XSA-425: a request that ends its own ring, or another's.
TEST_F(RingTest, J22_ARequestMayDetachItsOwnRing) {
  Guest& guest = introduce(1);
  observer.interrupt([&] { rings.detach(1); });
  guest.ring->put(support::RingGuest::frame(wire::kRead, zstrings({"/"})) +
                  support::RingGuest::frame(wire::kRead, zstrings({"/"})));
  signal(guest);
  passes();
  EXPECT_EQ(server.counters().requests, 1U);
  EXPECT_EQ(rings.ring_count(), 0U);
  EXPECT_EQ(xen.mapped, 0) << "at once, not when its turn ends";
}

TEST_F(RingTest, J22_ARequestMayDetachARingThatWaitsForItsTurn) {
  Guest& guest = introduce(1);
  Guest& other = introduce(2);
  observer.interrupt([&] { rings.detach(2); });
  for (Guest* one : {&guest, &other}) {
    one->ring->put(support::RingGuest::frame(wire::kRead, zstrings({"/"})));
    signal(*one);
  }
  passes();
  EXPECT_EQ(server.counters().requests, 1U);
  EXPECT_EQ(take(guest).size(), 1U);
}

TEST_F(RingTest, J22_ARequestMayReplaceItsOwnRing) {
  Guest& guest = introduce(1);
  daemon::Connection& later = connect(1);
  observer.interrupt([&] {
    rings.detach(1);
    ASSERT_TRUE(rings.attach(1, guest.port, false));
    rings.serve(1, later, Begin::kFresh);
  });
  guest.ring->put(support::RingGuest::frame(wire::kRead, zstrings({"/"})));
  signal(guest);
  passes();
  EXPECT_EQ(rings.ring_count(), 1U);
  EXPECT_EQ(take(guest), Texts{}) << "the answer belongs to the ring that went";
  server.remove_connection(*guest.connection);
  EXPECT_EQ(read(guest, "/"), "");
}

TEST_F(RingTest, J22_ARequestMayIntroduceItsOwnDomainAnew) {
  Guest& guest = introduce(1);
  xen.at(1).channels[50] = 0;
  observer.interrupt([&] { rings.reintroduce(1, 50); });
  guest.ring->put(support::RingGuest::frame(wire::kRead, zstrings({"/a"})) +
                  support::RingGuest::frame(wire::kRead, zstrings({"/b"})));
  signal(guest);
  passes();
  EXPECT_EQ(server.counters().requests, 1U) << "the rest of the old stream is forgotten";
  guest.port = 50;
  (void)take(guest);
  EXPECT_EQ(read(guest, "/"), "");
}

}  // namespace
}  // namespace vxs::test
