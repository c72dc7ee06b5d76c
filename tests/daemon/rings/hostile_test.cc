// Guests that break the rules.
#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>

#include "tests/daemon/rings/ring_fixture.hh"

namespace vxs::test {
namespace {

using daemon::kFeatureReconnect;
using Random = std::independent_bits_engine<std::mt19937, 32, std::uint32_t>;

class HostileRingTest : public RingTest {
 protected:
  // Sets an index behind the daemon's back.
  void set(const Guest& guest, std::size_t offset, std::uint32_t value) {
    page(guest).store(offset, value);
    signal(guest);
    passes();
  }
  std::string too_long() {
    return support::RingGuest::frame(wire::kRead, "").replace(12, 4, "\x01\x10\0\0", 4);  // 4097
  }
  void expect_frozen(Guest& guest, std::uint32_t error) {
    EXPECT_EQ(page(guest).error(), error);
    EXPECT_TRUE(guest.connection->frozen);
    // Whatever it does, it is ignored, and its page is left alone.
    (void)take(guest);
    page(guest).zero_indices();
    guest.ring->put(support::RingGuest::frame(wire::kRead, zstrings({"/"})));
    const auto before = guest.memory->bytes;
    const auto requests = server.counters().requests;
    signal(guest);
    rings.scan(100);
    passes();
    EXPECT_EQ(server.counters().requests, requests);
    EXPECT_TRUE(guest.memory->bytes == before);
  }
};

TEST_F(HostileRingTest, A17_ABadRequestIndexFreezesTheRing) {
  for (const std::uint32_t distance : {1025U, 4096U, 0x80000000U, 0xffffffffU}) {
    Guest& guest = introduce(1);
    set(guest, protocol::kRingReqProd, page(guest).load(protocol::kRingReqCons) + distance);
    expect_frozen(guest, 2);
    release(guest);
    guests.clear();
    xen.destroy_domain(1);
  }
}

TEST_F(HostileRingTest, A17_ABadReplyIndexFreezesTheRingWhenSomethingIsToBeWritten) {
  Guest& guest = introduce(1);
  set(guest, protocol::kRingRspCons, 5);  // nothing to write: nobody looks
  EXPECT_FALSE(guest.connection->frozen);
  guest.ring->put(support::RingGuest::frame(wire::kRead, zstrings({"/"})));
  signal(guest);
  passes();
  expect_frozen(guest, 2);
}

TEST_F(HostileRingTest, A7_AnOverlongMessageFreezesTheRing) {
  Guest& guest = introduce(1);
  guest.ring->put(support::RingGuest::frame(wire::kRead, zstrings({"/x"})) + too_long());
  signal(guest);
  passes();
  EXPECT_EQ(server.counters().requests, 1U) << "what came before is carried out";
  expect_frozen(guest, 3);
}

TEST_F(HostileRingTest, A6_TheLongestMessageIsNoOffence) {
  Guest& guest = introduce(1);
  send(guest, support::RingGuest::frame(wire::kWrite, std::string(4096, 'x')));
  passes();
  EXPECT_EQ(take(guest), Texts{"EINVAL"});
  EXPECT_FALSE(guest.connection->frozen);
}

TEST_F(HostileRingTest, A17_FreezingDropsWatchesTransactionsAndOutput) {
  Guest& guest = introduce(1);
  Guest& other = introduce(2);
  ASSERT_EQ(call(guest, wire::kWatch, zstrings({"/w", "t"})), "OK");
  ASSERT_EQ(call(guest, wire::kTransactionStart, zstrings({""})), "1");
  ASSERT_EQ(server.watches().size(), 1U);
  set(guest, protocol::kRingReqProd, 0x40000000);
  EXPECT_EQ(server.watches().size(), 0U);
  EXPECT_EQ(server.branch_count(), 0U);
  EXPECT_TRUE(guest.connection->outbox.empty());
  EXPECT_EQ(rings.ring_count(), 2U) << "the domain stays introduced";
  ASSERT_EQ(write(other, "/w", "1"), "OK");
  EXPECT_TRUE(guest.connection->outbox.empty());
}

TEST_F(HostileRingTest, A17_WithoutTheErrorFeatureThePageIsNotWritten) {
  Guest& guest = introduce(1, Begin::kFresh, kFeatureReconnect);
  set(guest, protocol::kRingReqProd, 0x40000000);
  expect_frozen(guest, 0);
}

TEST_F(HostileRingTest, A18_ReintroductionRevivesAFrozenRing) {
  Guest& guest = introduce(1);
  set(guest, protocol::kRingReqProd, 0x40000000);
  ASSERT_EQ(page(guest).error(), 2U);
  xen.at(1).channels[50] = 0;
  server.reset_ring(*guest.connection);
  rings.reintroduce(1, 50);
  guest.port = 50;
  EXPECT_EQ(page(guest).error(), 0U);
  EXPECT_EQ(read(guest, "/"), "");
}

TEST_F(HostileRingTest, A18_ConnectingAnewRevivesAFrozenRing) {
  Guest& guest = introduce(1);
  guest.ring->put(too_long());
  signal(guest);
  passes();
  ASSERT_EQ(page(guest).error(), 3U);
  page(guest).set_connection(1);
  signal(guest);
  passes();
  EXPECT_EQ(page(guest).connection(), 0U);
  EXPECT_EQ(page(guest).error(), 0U);
  EXPECT_EQ(read(guest, "/"), "");
}

TEST_F(HostileRingTest, A17_AFrozenRingStaysFrozenThroughARestart) {
  Guest& guest = introduce(1);
  guest.ring->put(too_long());
  signal(guest);
  passes();
  release(guest);
  introduce(1, Begin::kResumed);
  expect_frozen(guest, 3);
}

TEST_F(HostileRingTest, A17_FreezingAndConnectingForEverFloodsNoLog) {
  Guest& guest = introduce(1);
  for (int i = 0; i < 100; ++i) {
    set(guest, protocol::kRingReqProd, 0x40000000);
    ASSERT_TRUE(guest.connection->frozen);
    page(guest).set_connection(1);
    signal(guest);
    passes();
    ASSERT_FALSE(guest.connection->frozen);
  }
  EXPECT_EQ(observer.warnings.size(), 1U);
  clock.now_us += 11'000'000;
  set(guest, protocol::kRingReqProd, 0x40000000);
  ASSERT_EQ(observer.warnings.size(), 2U);
  EXPECT_NE(observer.warnings[1].find("99 such lines"), std::string::npos);
}

class ShortJournalRingTest : public RingTest {
 protected:
  ShortJournalRingTest() : RingTest(FakeJournal::Mode::kImmediate, options()) {}
  static daemon::ServerOptions options() {
    daemon::ServerOptions options;
    options.journal_budget_bytes = 1'000'000;
    return options;
  }
};

// Bug: each new connection was a record that nobody paid for, and a guest whose share of the
// journal was used up connected anew for ever.
TEST_F(ShortJournalRingTest, Bug_ConnectingForEverDoesNotFillTheJournal) {
  domains.add(1);
  domains.add(2);
  Guest& guest = introduce(1);
  Guest& other = introduce(2);
  journal.journal_bytes = 990'000;
  const std::uint64_t before = journal.appended_bytes;
  bool answered = true;
  for (int i = 0; answered && i < 5000; ++i) {
    page(guest).set_connection(1);
    signal(guest);
    pass();
    server.settle();
    answered = page(guest).connection() == 0;
  }
  EXPECT_FALSE(answered);
  EXPECT_LE(journal.appended_bytes - before, 10'000U / 2 / 2 + 100);
  EXPECT_LT(passes(), 10) << "it waits without turns";
  guest.ring->put(support::RingGuest::frame(wire::kWrite, zstrings({"/late"})));
  signal(guest);
  EXPECT_EQ(write(other, "/w", "1"), "OK");
  EXPECT_EQ(read(other, "/late"), "ENOENT");
  journal.journal_bytes = 100'000;  // a checkpoint freed segments
  (void)server.tick();
  signal(guest);
  passes();
  EXPECT_EQ(page(guest).connection(), 0U);
  guest.ring->forget();
  guest.got.clear();
  EXPECT_EQ(read(guest, "/w"), "1");
}

TEST_F(HostileRingTest, A16_OurOwnIndexInThePageIsNotBelieved) {
  // req_cons and rsp_prod are ours, but the guest can write them as well.
  Guest& guest = introduce(1);
  ASSERT_EQ(read(guest, "/"), "");
  page(guest).store(protocol::kRingReqCons, page(guest).load(protocol::kRingReqProd) - 1024);
  signal(guest);
  passes();
  EXPECT_LE(server.counters().requests, 1U + 1024 / 16) << "an old ring once more, and no further";
  set(guest, protocol::kRingReqCons, page(guest).load(protocol::kRingReqProd) - 1025);
  EXPECT_TRUE(guest.connection->frozen);
}

TEST_F(HostileRingTest, A27_SpuriousSignalsDoNothing) {
  Guest& guest = introduce(1);
  const auto before = guest.memory->bytes;
  for (int i = 0; i < 100; ++i) {
    signal(guest);
    pass();
  }
  EXPECT_TRUE(guest.memory->bytes == before);
  EXPECT_FALSE(rings.has_backlog());
}

// How much of it: VXS_RING_BYTES, or what takes a second or two.
std::uint64_t random_bytes_wanted() {
  const char* const text = std::getenv("VXS_RING_BYTES");
  return text == nullptr ? 8'000'000 : std::strtoull(text, nullptr, 10);
}

// Whatever pages and indices say, they concern nobody but their owner.
// Bug: each look at an empty ring with half a request before it counted as progress, and the guest
// was signalled for it.
TEST_F(HostileRingTest, Bug_SpuriousSignalsWithinALongRequestDoNothing) {
  Guest& guest = introduce(1);
  const std::string bytes =
      support::RingGuest::frame(wire::kWrite, zstrings({"/long"}) + std::string(3000, 'x'));
  const std::size_t put = guest.ring->put(bytes);
  signal(guest);
  passes();
  const auto notified = xen.at(1).notified;
  for (int i = 0; i < 10; ++i) {
    signal(guest);
    passes();
  }
  EXPECT_EQ(xen.at(1).notified, notified);
  send(guest, std::string_view(bytes).substr(put));
  passes();
  EXPECT_EQ(take(guest), Texts{"OK"});
}

TEST_F(HostileRingTest, A16_RandomPagesOfManyDomainsStopNobodyElse) {
  constexpr DomId kVictim = 100;
  constexpr DomId kAttackers = 16;
  Guest& victim = introduce(kVictim);
  for (DomId domid = 1; domid <= kAttackers; ++domid) introduce(domid);
  Random random(7);
  const std::uint64_t wanted = random_bytes_wanted();
  std::uint64_t done = 0;
  for (int round = 0; done < wanted; ++round) {
    Guest& attacker = guests.at(static_cast<DomId>(1 + random() % kAttackers));
    if (attacker.connection->frozen) {
      page(attacker).set_connection(1);
      signal(attacker);
      passes();
    }
    for (std::size_t offset = 0; offset < 2080; offset += 4) {
      if (offset < 2048 || random() % 2 == 0) page(attacker).store(offset, random());
    }
    done += 2080;
    if (random() % 4 != 0) {  // indices that can be
      const std::uint32_t at = random();
      page(attacker).store(protocol::kRingReqCons, at);
      page(attacker).store(protocol::kRingReqProd, at + random() % 1025);
      page(attacker).store(protocol::kRingRspCons, at);
      page(attacker).store(protocol::kRingRspProd, at + random() % 1025);
      // And a header the daemon may believe, in place.
      const auto header = protocol::encode_header({.type = random() % 30, .len = random() % 64});
      for (std::uint32_t i = 0; i < 16 && random() % 16 != 0; ++i) {
        attacker.memory->bytes[(at + i) % 1024] = static_cast<std::byte>(header[i]);
      }
    }
    page(attacker).set_connection(random() % 8 == 0 ? 1 : 0);
    signal(attacker);
    pass();
    if (round % 256 == 0) {
      ASSERT_EQ(write(victim, "/victim", std::to_string(round)), "OK");
      ASSERT_EQ(rings.ring_count(), kAttackers + 1U);
      for (const auto& [domid, guest] : guests) {
        ASSERT_LE(guest.connection->outbox.unsent(), 256U * 1024 + 4112);
      }
    }
  }
  EXPECT_FALSE(victim.connection->frozen);
  EXPECT_GT(server.counters().requests, wanted / 10'000) << "some of it was requests";
}

// Indices, words and data that change while they are read (TSan must find nothing).
TEST_F(HostileRingTest, A16_APageThatChangesWhileItIsReadStopsNobodyElse) {
  Guest& victim = introduce(1);
  Guest& attacker = introduce(2);
  std::atomic<bool> stop = false;
  std::thread hammer([&, view = page(attacker)] {
    Random random(3);
    while (!stop.load(std::memory_order_relaxed)) {
      for (int i = 0; i < 64; ++i) view.store(random() % 512 * 4, random());
      const std::uint32_t at = random();
      view.store(protocol::kRingReqCons, at);
      view.store(at % 1024 & ~3U, random() % 27);
      view.store(((at % 1024 & ~3U) + 12) % 1024, random() % 100);
      view.store(protocol::kRingReqProd, at + random() % 1100);
      view.store(protocol::kRingRspCons, at);
      view.store(protocol::kRingRspProd, at + random() % 1100);
      view.set_connection(random() % 4);
      view.set_error(random());
    }
  });
  for (int round = 0; round < 3000; ++round) {
    signal(attacker);
    pass();
    if (round % 100 == 0) {
      EXPECT_EQ(write(victim, "/victim", std::to_string(round)), "OK");
    }
  }
  stop = true;
  hammer.join();
  EXPECT_FALSE(victim.connection->frozen);
  EXPECT_EQ(read(victim, "/victim"), "2900");
}

}  // namespace
}  // namespace vxs::test
