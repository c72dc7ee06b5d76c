// Rings outlive the daemon (design §6, issue 4): it is killed at each of its calls to the world,
// and guests notice nothing.
#include <algorithm>

#include "tests/daemon/rings/kept_fixture.hh"

namespace vxs::test {
namespace {

using support::RingGuest;

bool has(const std::vector<std::string>& texts, const std::string& text) {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

// --- one death at the n-th call ------------------------------------------------

class KeptRingDeath : public KeptRingTest, public testing::WithParamInterface<int> {
 protected:
  void TearDown() override {
    for (const auto& request : done) {
      EXPECT_EQ(done.count(request), 1U)
          << "connection " << request.first << " request " << request.second << " was done twice";
    }
  }
};

TEST_P(KeptRingDeath, EveryRequestIsAnsweredOnceAndNoEventIsLost) {
  introduce(1);
  introduce(2);
  death.in(GetParam());
  EXPECT_EQ(call(1, wire::kWatch, zstrings({"/w", "t"})), "OK");
  EXPECT_EQ(write(2, "/w/a", "1"), "OK");
  const auto tx =
      static_cast<std::uint32_t>(std::stoul(call(1, wire::kTransactionStart, zstrings({""}))));
  EXPECT_EQ(read(1, "/w/a", tx), "1");
  EXPECT_EQ(write(1, "/t", "made", tx), "OK");
  EXPECT_EQ(write(2, "/w/b", "2"), "OK");
  EXPECT_EQ(read(2, "/t"), "ENOENT");
  EXPECT_EQ(call(1, wire::kTransactionEnd, zstrings({"T"}), tx), "OK");
  EXPECT_EQ(read(2, "/t"), "made");
  const std::string large(1900, 'x');
  EXPECT_EQ(write(1, "/w/large", large), "OK");
  EXPECT_EQ(read(2, "/w/large"), large);
  EXPECT_EQ(call(1, wire::kWatch, zstrings({"/w", "t"})), "EEXIST");
  for (const char* path : {"/w t", "/w/a t", "/w/b t", "/w/large t"}) {
    EXPECT_TRUE(has(events[1], path)) << path;
  }
  EXPECT_EQ(deaths, death.due() ? 0 : 1) << "calls: " << death.calls();
}

TEST_P(KeptRingDeath, PipelinedRequestsAreAnsweredInOrder) {
  auto& guest = introduce(1);
  std::string bytes;
  constexpr std::uint32_t kRequests = 12;
  for (std::uint32_t id = 1; id <= kRequests; ++id) {
    const bool large = id % 5 == 0;
    bytes += RingGuest::frame(
        wire::kWrite, zstrings({"/p"}) + std::to_string(id) + std::string(large ? 2000 : 0, 'y'), 0,
        id);
    bytes += RingGuest::frame(wire::kRead, zstrings({"/p"}), 0, 100 + id);
  }
  death.in(GetParam());
  std::vector<std::uint32_t> answered;
  for (int i = 0; i < 3000 && answered.size() < 2 * kRequests; ++i) {
    bytes.erase(0, guest.put(bytes, 333));
    signal(1);
    pass_or_restart();
    if (guest.take(100)) signal(1);
    while (const auto frame = guest.next()) {
      answered.push_back(frame->header.req_id);
      const auto id = frame->header.req_id;
      if (id < 100) {
        EXPECT_EQ(frame->payload, std::string("OK\0", 3));
      } else {
        const std::string value = frame->payload.substr(0, frame->payload.find('y'));
        EXPECT_EQ(value, std::to_string(id - 100));
      }
    }
  }
  std::vector<std::uint32_t> all;
  for (std::uint32_t id = 1; id <= kRequests; ++id) all.insert(all.end(), {id, 100 + id});
  EXPECT_EQ(answered, all);
  EXPECT_EQ(guest.half(), 0U);
}

TEST_P(KeptRingDeath, A20_ARingThatConnectsAnewBeginsAnewOrNotAtAll) {
  auto& guest = introduce(1);
  introduce(2);
  ASSERT_EQ(call(1, wire::kWatch, zstrings({"/w", "t"})), "OK");
  const auto tx =
      static_cast<std::uint32_t>(std::stoul(call(1, wire::kTransactionStart, zstrings({""}))));
  guest.put(RingGuest::frame(wire::kWrite, std::string(2000, 'x')));  // half of one
  signal(1);
  pass();
  ASSERT_EQ(write(2, "/w", "1"), "OK");
  death.in(GetParam());
  guest.page().set_connection(protocol::kRingReconnect);
  signal(1);
  for (int i = 0; i < 50 && guest.page().connection() != protocol::kRingConnected; ++i) {
    pass_or_restart();
  }
  ASSERT_EQ(guest.page().connection(), protocol::kRingConnected);
  guest.forget();
  // Right away, without a death in between that nobody would see.
  EXPECT_EQ(call(1, wire::kTransactionEnd, zstrings({"T"}), tx), "ENOENT");
  EXPECT_EQ(call(1, wire::kUnwatch, zstrings({"/w", "t"})), "ENOENT");
  EXPECT_EQ(write(1, "/w", "2"), "OK");
  EXPECT_EQ(read(2, "/w"), "2");
}

TEST_P(KeptRingDeath, F3_ARingThatIsIntroducedAgainBeginsAnewOrNotAtAll) {
  auto& guest = introduce(1);
  ASSERT_EQ(call(1, wire::kWatch, zstrings({"/w", "t"})), "OK");
  ASSERT_NE(word(guest, protocol::kRingReqCons), 0U);
  death.in(GetParam());
  for (int i = 0; i < 2; ++i) {
    try {
      ASSERT_TRUE(run->server.lifecycle().introduce(1, 0, port_of(1)).has_value());
      break;
    } catch (const Killed&) {
      restart();
      // What the journal says of its session is what page and slot are.
      const bool anew = connection(1)->watches.empty();
      EXPECT_EQ(word(guest, protocol::kRingReqCons) == 0, anew);
      EXPECT_EQ(word(guest, protocol::kRingRspProd) == 0, anew);
      if (anew) break;
      EXPECT_EQ(call(1, wire::kWatch, zstrings({"/w", "t"})), "EEXIST");
    }
  }
  EXPECT_EQ(word(guest, protocol::kRingReqProd), 0U);
  EXPECT_EQ(call(1, wire::kWatch, zstrings({"/w", "t"})), "OK");
  restart();
  EXPECT_EQ(call(1, wire::kWatch, zstrings({"/w", "t"})), "EEXIST") << "not once more";
}

TEST_P(KeptRingDeath, F3_ASoftResetIsNoDeath) {
  auto& guest = introduce(1);
  ASSERT_EQ(call(1, wire::kWatch, zstrings({"/w", "t"})), "OK");
  // All its ports close, and it has another one for the store.
  xen.close_channels_to(1);
  xen.at(1).channels.clear();
  xen.at(1).channels[port_of(1)] = 0;
  const daemon::Port other = 77;
  xen.at(1).channels[other] = 0;
  death.in(GetParam());
  for (int i = 0; i < 2; ++i) {
    try {
      ASSERT_TRUE(run->server.lifecycle().introduce(1, 0, other).has_value());
      break;
    } catch (const Killed&) {
      restart();
      ASSERT_NE(connection(1), nullptr) << "taken for dead";
      if (connection(1)->watches.empty()) break;
    }
  }
  death.in(-1);
  EXPECT_NE(xen.at(1).channels[other], 0U) << "bound";
  EXPECT_EQ(word(guest, protocol::kRingReqProd), 0U);
  guest.put(RingGuest::frame(wire::kRead, zstrings({"/"}), 0, 9));
  xen.signal(1, other);
  pass();
  guest.take();
  guest.forget();
}

TEST_P(KeptRingDeath, F2_AnIntroductionIsWholeOrNotThere) {
  auto& guest = create(1);
  guest.page().store(protocol::kRingReqCons, 77);
  guest.page().store(protocol::kRingReqProd, 77);
  guest.page().set_connection(protocol::kRingReconnect);
  death.in(GetParam());
  for (int i = 0; i < 2; ++i) {
    try {
      if (connection(1) == nullptr) {
        ASSERT_TRUE(run->server.lifecycle().introduce(1, 0, port_of(1)).has_value());
      }
      break;
    } catch (const Killed&) {
      restart();
    }
  }
  ASSERT_NE(connection(1), nullptr);
  EXPECT_EQ(word(guest, protocol::kRingReqCons), 0U);
  EXPECT_EQ(guest.page().connection(), protocol::kRingConnected);
  EXPECT_EQ(write(1, "/a", "1"), "OK");
  EXPECT_EQ(run->kept->open_count(), 2U) << "dom0's and its own";
}

TEST_P(KeptRingDeath, AReleasedRingLeavesNothingBehind) {
  introduce(1);
  ASSERT_EQ(call(1, wire::kWatch, zstrings({"/w", "t"})), "OK");
  death.in(GetParam());
  for (int i = 0; i < 2 && connection(1) != nullptr; ++i) {
    try {
      ASSERT_TRUE(run->server.lifecycle().release(1).has_value());
      pass();
    } catch (const Killed&) {
      restart();
    }
  }
  death.in(-1);
  EXPECT_EQ(connection(1), nullptr);
  EXPECT_EQ(run->kept->open_count(), 1U);
  introduce(1);
  EXPECT_EQ(call(1, wire::kWatch, zstrings({"/w", "t"})), "OK");
}

INSTANTIATE_TEST_SUITE_P(AtEachCall, KeptRingDeath, testing::Range(0, 100));

// --- what else happens meanwhile -------------------------------------------------

TEST_F(KeptRingTest, EverythingOfASessionGoesOn) {
  auto& guest = introduce(1);
  introduce(2);
  ASSERT_EQ(call(1, wire::kWatch, zstrings({"/w", "t", "1"})), "OK");
  const auto tx =
      static_cast<std::uint32_t>(std::stoul(call(1, wire::kTransactionStart, zstrings({""}))));
  ASSERT_EQ(write(1, "/made", "in it", tx), "OK");
  events.clear();
  const std::string large(1900, 'z');
  ASSERT_EQ(write(2, "/large", large), "OK");
  // Half of a large reply is in the ring, more of them are queued, and half a request came.
  std::string asked;
  for (std::uint32_t id = 1; id <= 3; ++id) {
    asked += RingGuest::frame(wire::kRead, zstrings({"/large"}), 0, id);
  }
  const std::string half = RingGuest::frame(wire::kWrite, zstrings({"/half"}) + large, 0, 4);
  guest.put(asked);
  signal(1);
  for (int i = 0; i < 10; ++i) pass();
  guest.put(half, 700);
  signal(1);
  for (int i = 0; i < 3; ++i) pass();
  EXPECT_EQ(word(guest, protocol::kRingReqCons), word(guest, protocol::kRingReqProd))
      << "the part of what never fits is taken";
  ASSERT_EQ(write(2, "/w/event", "1"), "OK");
  std::string rest = half.substr(700);
  std::vector<std::string> got;
  for (int i = 0; i < 200 && got.size() < 5; ++i) {
    if (i % 3 == 0) restart();
    rest.erase(0, guest.put(rest));
    if (guest.take(300)) signal(1);
    signal(1);
    pass();
    while (const auto frame = guest.next()) {
      got.push_back(frame->header.type == wire::kWatchEvent ? "event"
                                                            : std::to_string(frame->header.req_id));
      if (frame->header.req_id >= 1 && frame->header.req_id <= 3) {
        EXPECT_TRUE(frame->payload == large);
      }
    }
  }
  std::vector<std::string> replies = got;
  std::erase(replies, "event");
  EXPECT_EQ(replies, (std::vector<std::string>{"1", "2", "3", "4"}));
  EXPECT_TRUE(has(got, "event"));
  EXPECT_TRUE(read(1, "/half") == large);
  EXPECT_EQ(call(1, wire::kTransactionEnd, zstrings({"T"}), tx), "OK");
  EXPECT_EQ(read(2, "/made"), "in it");
}

TEST_F(KeptRingTest, ARingTakenInAndNotToldOfIsTold) {
  auto& guest = introduce(1);
  ASSERT_EQ(write(1, "/a", "1"), "OK");
  const auto cons = word(guest, protocol::kRingReqCons);
  die();
  // As if it had died between its slot's word and the page's.
  const daemon::test::RawArea raw(area_fd());
  raw.control(slot_of(1)).ring_taking = 20;
  guest.page().store(protocol::kRingReqCons, cons - 20);
  start();
  EXPECT_EQ(word(guest, protocol::kRingReqCons), cons);
  EXPECT_EQ(read(1, "/a"), "1");
}

TEST_F(KeptRingTest, AReplyHalfWayIsNotSentTwice) {
  for (const std::uint32_t seen : {0U, 9U, 19U}) {
    const DomId domid = static_cast<DomId>(1 + seen);
    auto& guest = introduce(domid);
    guest.put(RingGuest::frame(wire::kWrite, zstrings({"/a"}) + "1", 0, 7));
    signal(domid);
    pass();
    const auto prod = word(guest, protocol::kRingRspProd);
    ASSERT_GE(prod, 19U);
    die();
    // As if it had died while it wrote the reply's 19 bytes.
    const daemon::test::RawArea raw(area_fd());
    auto& control = raw.control(slot_of(domid));
    control.out_sent -= 19;
    control.send_at = control.out_sent;
    control.send_length = 19;
    guest.page().store(protocol::kRingRspProd, prod - 19 + seen);
    start();
    for (int i = 0; i < 3; ++i) pass();
    EXPECT_EQ(word(guest, protocol::kRingRspProd), prod) << seen;
    guest.take();
    const auto frame = guest.next();
    ASSERT_TRUE(frame.has_value());
    EXPECT_EQ(frame->header.req_id, 7U);
    EXPECT_EQ(guest.half(), 0U);
    EXPECT_EQ(read(domid, "/a"), "1");
  }
}

TEST_F(KeptRingTest, A17_AnIndexOfRepliesThatCannotBeTrueFreezes) {
  auto& guest = introduce(1);
  introduce(2);
  guest.put(RingGuest::frame(wire::kWrite, zstrings({"/a"}) + "1", 0, 7));
  signal(1);
  pass();
  die();
  const daemon::test::RawArea raw(area_fd());
  auto& control = raw.control(slot_of(1));
  control.out_sent -= 19;
  control.send_at = control.out_sent;
  control.send_length = 19;
  guest.page().store(protocol::kRingRspProd, word(guest, protocol::kRingRspProd) + 1);
  start();
  EXPECT_EQ(guest.page().error(), 2U);
  EXPECT_TRUE(connection(1)->frozen);
  EXPECT_EQ(write(2, "/a", "1"), "OK");
  restart();
  EXPECT_TRUE(connection(1)->frozen);
  // And connects anew (A18).
  guest.page().set_connection(protocol::kRingReconnect);
  signal(1);
  pass();
  EXPECT_EQ(guest.page().error(), 0U);
  guest.forget();
  EXPECT_EQ(read(1, "/a"), "1");
}

TEST_F(KeptRingTest, A16_ImpossibleIndicesFoundAtAStartFreeze) {
  auto& guest = introduce(1);
  introduce(2);
  ASSERT_EQ(write(1, "/a", "1"), "OK");
  die();
  guest.page().store(protocol::kRingReqProd, word(guest, protocol::kRingReqCons) + 1025);
  start();
  pass();
  EXPECT_EQ(guest.page().error(), 2U);
  EXPECT_EQ(write(2, "/a", "2"), "OK");
}

// As hvmloader does before it hands over to the guest's own drivers.
TEST_F(KeptRingTest, AGuestMayWriteZeroesOverItsPageWheneverNothingIsUnderWay) {
  auto& guest = introduce(1);
  const auto zero = [&] {
    for (std::size_t at = 0; at < protocol::kRingPageSize; at += 4) guest.page().store(at, 0);
  };
  ASSERT_EQ(write(1, "/a", "1"), "OK");
  zero();
  EXPECT_EQ(write(1, "/a", "2"), "OK");
  restart();
  EXPECT_EQ(read(1, "/a"), "2");
  die();
  zero();
  start();
  EXPECT_EQ(read(1, "/a"), "2");
  restart();
  EXPECT_EQ(write(1, "/a", "3"), "OK");
  EXPECT_EQ(guest.page().error(), 0U);
}

TEST_F(KeptRingTest, F8_ADomainThatDiedMeanwhileIsInheritedByNobody) {
  introduce(1);
  introduce(2);
  ASSERT_EQ(call(1, wire::kWatch, zstrings({"/w", "t"})), "OK");
  ASSERT_EQ(run->kept->open_count(), 3U);
  die();
  xen.destroy_domain(1);
  start();
  EXPECT_EQ(connection(1), nullptr);
  EXPECT_EQ(run->kept->open_count(), 2U);
  // Its domid comes again.
  introduce(1);
  EXPECT_EQ(call(1, wire::kUnwatch, zstrings({"/w", "t"})), "ENOENT");
}

TEST_F(KeptRingTest, WithoutAKeptDescriptorItsPortsAreBoundAgain) {
  auto& guest = introduce(1);
  ASSERT_EQ(call(1, wire::kWatch, zstrings({"/w", "t"})), "OK");
  guest.put(RingGuest::frame(wire::kWrite, zstrings({"/half"}) + std::string(2000, 'h'), 0, 7),
            900);
  signal(1);
  pass();
  restart(false);
  std::string rest =
      RingGuest::frame(wire::kWrite, zstrings({"/half"}) + std::string(2000, 'h'), 0, 7)
          .substr(900);
  for (int i = 0; i < 20; ++i) {
    rest.erase(0, guest.put(rest));
    signal(1);
    pass();
    guest.take();
  }
  auto frame = guest.next();
  if (frame && frame->header.type == wire::kWatchEvent) frame = guest.next();
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->header.req_id, 7U);
  EXPECT_EQ(call(1, wire::kWatch, zstrings({"/w", "t"})), "EEXIST");
}

TEST_F(KeptRingTest, APortThatWasTakenAndNotUnmaskedIsHeardAgain) {
  introduce(1);
  ASSERT_EQ(write(1, "/a", "1"), "OK");
  signal(1);
  ASSERT_TRUE(xen.next_pending().has_value()) << "taken by who dies now";
  restart();
  EXPECT_EQ(xen.bound(), 2U);
  EXPECT_EQ(read(1, "/a"), "1");
}

TEST_F(KeptRingTest, ARequestThatKillsTwoDaemonsIsRefusedAndItsRingFrozen) {
  auto& guest = introduce(1);
  introduce(2);
  ASSERT_EQ(write(1, "/a", "1"), "OK");
  const std::string poison = RingGuest::frame(wire::kWrite, zstrings({"/poison"}) + "x", 0, 66);
  guest.put(poison);
  guest.put(RingGuest::frame(wire::kRead, zstrings({"/a"}), 0, 67));
  for (int i = 0; i < 2; ++i) {
    death.in_request();
    signal(1);
    pass_or_restart();
    for (int j = 0; j < 5 && deaths <= i; ++j) pass_or_restart();
    EXPECT_EQ(deaths, i + 1);
  }
  for (int i = 0; i < 5; ++i) pass();
  guest.take();
  const auto reply = guest.next();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->header.req_id, 66U);
  EXPECT_EQ(reply->payload, std::string("EIO\0", 4));
  EXPECT_FALSE(guest.next().has_value());
  EXPECT_EQ(guest.page().error(), 3U);
  EXPECT_TRUE(connection(1)->frozen);
  EXPECT_EQ(read(2, "/poison"), "ENOENT");
  EXPECT_EQ(read(2, "/a"), "1");
}

// The words of its slot are as they should be, so it is taken up.
TEST_F(KeptRingTest, Bug_RepliesThatWereScribbledOverLeadNoAccessAstray) {
  introduce(2);
  ASSERT_EQ(write(2, "/large", std::string(1900, 'l')), "OK");
  for (const DomId domid : {DomId{1}, DomId{3}}) {
    auto& guest = introduce(domid);
    for (std::uint32_t id = 1; id <= 3; ++id) {
      guest.put(RingGuest::frame(wire::kRead, zstrings({"/large"}), 0, id));
    }
    signal(domid);
    for (int i = 0; i < 10; ++i) pass();
    die();
    const std::uint32_t index = slot_of(domid);
    {
      const daemon::test::RawArea raw(area_fd());
      const auto& set = daemon::wire_layout::published(raw.control(index));
      ASSERT_GT(set.out_end - set.out_begin, 3 * 1900U);
      std::memset(raw.at(raw.geometry().data(index) + (set.out_begin - set.out_origin)),
                  domid == 1 ? 0 : 0xFF, set.out_end - set.out_begin);
    }
    start();
    for (int i = 0; i < 20; ++i) {
      guest.take();
      signal(domid);
      pass();
    }
    EXPECT_EQ(read(2, "/large"), std::string(1900, 'l'));
  }
}

TEST_F(KeptRingTest, ManyDeathsLeakNothing) {
  introduce(1);
  for (int i = 0; i < 30; ++i) {
    ASSERT_EQ(write(1, "/a", std::to_string(i)), "OK");
    restart();
  }
  EXPECT_EQ(read(1, "/a"), "29");
  EXPECT_EQ(run->kept->open_count(), 2U);
  EXPECT_EQ(xen.bound(), 2U);
}

}  // namespace
}  // namespace vxs::test
