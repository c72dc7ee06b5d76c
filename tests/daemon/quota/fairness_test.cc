// Who waits for whom: outstanding requests, expiry, credits, guarded transactions, the journal.
#include <memory>

#include "tests/daemon/quota/quota_fixture.hh"

namespace vxs::test {
namespace {

using config::Quota;
using testing::ElementsAre;
using testing::HasSubstr;

class Fairness : public QuotaTest {
 protected:
  using QuotaTest::QuotaTest;

  // A write whose answer is read at once, while events for others stay where they are.
  bool write_if_ready(daemon::Connection& connection, const std::string& path,
                      const std::string& value) {
    if (!server.ready_for(connection)) return false;
    begin(connection, wire::kWrite, zstrings({path}) + value);
    connection.outbox.sent(connection.outbox.sendable().size());
    return true;
  }
  void allow_everybody(const std::string& path) {
    ASSERT_EQ(write(dom0, path, "0"), "OK");
    ASSERT_EQ(set_perms(dom0, path, {"b0"}), "OK");
  }
};

TEST_F(Fairness, Outstanding_G5_TwentyUnreadEventsOfAnotherRingStopTheWriter) {
  auto& stuck = make_guest(6);
  allow_everybody("/shared");
  ASSERT_EQ(watch(stuck, "/shared", "t"), "OK");
  (void)take(stuck);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(server.ready_for(guest)) << i;
    ASSERT_TRUE(write_if_ready(guest, "/shared/" + std::to_string(i), ""));
  }
  EXPECT_FALSE(server.ready_for(guest));
  EXPECT_EQ(level(guest, Quota::kOutstanding).now, 20U);
  server.settle();
  EXPECT_TRUE(rings.paused[5]);
  EXPECT_FALSE(rings.paused.contains(6));
  EXPECT_EQ(write(dom0, "/shared/dom0", ""), "OK");  // never stopped
  const auto first = protocol::decode_frame(stuck.outbox.sendable());
  stuck.outbox.sent(first.consumed);  // one is read
  server.settle();
  EXPECT_FALSE(rings.paused[5]);
  EXPECT_TRUE(server.ready_for(guest));
  check();
}

TEST_F(Fairness, Outstanding_G5_OwnEventsInitialEventsAndSocketsDoNotCount) {
  allow_everybody("/shared");
  ASSERT_EQ(watch(dom0, "/shared", "t"), "OK");  // a socket that does not read
  ASSERT_EQ(watch(guest, "/shared", "t"), "OK");
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(server.ready_for(guest)) << i;
    begin(guest, wire::kWrite, zstrings({"/shared/" + std::to_string(i)}));
    (void)take(guest);
  }
  EXPECT_EQ(level(guest, Quota::kOutstanding).now, 0U);
}

TEST_F(Fairness, Outstanding_G5_UnreadRepliesCountAndTheLimitIsTheDomainsOwn) {
  set_quota(5, "outstanding", 3);
  for (int i = 0; i < 3; ++i) begin(guest, wire::kRead, zstrings({"none"}));
  EXPECT_FALSE(server.ready_for(guest));
  server.settle();
  EXPECT_TRUE(rings.paused[5]);
  (void)take(guest);
  server.settle();
  EXPECT_FALSE(rings.paused[5]);
}

TEST_F(Fairness, Events_D15_ExpireAfter20SecondsAndTheWriterGoesOn) {
  auto& stuck = make_guest(6);
  allow_everybody("/shared");
  ASSERT_EQ(watch(stuck, "/shared", "t"), "OK");
  (void)take(stuck);
  while (write_if_ready(guest, "/shared/" + std::to_string(clock.now_us), "")) clock.now_us += 1;
  std::vector<daemon::Connection*> rings;
  server.take_dirty_rings(rings);  // the ring was full
  clock.now_us += 19'900'000;
  (void)server.tick();
  EXPECT_FALSE(server.ready_for(guest));
  clock.now_us += 200'000;
  (void)server.tick();
  EXPECT_TRUE(server.ready_for(guest));
  EXPECT_EQ(server.counters().expired_events, 20U);
  EXPECT_TRUE(stuck.outbox.empty());
  check();
}

TEST_F(Fairness, Events_D15_ThoseOfSocketsAndPrivilegedRingsNeverExpire) {
  daemon::Connection::Peer peer;
  peer.id = 77;
  peer.ring = true;
  auto& kernel = server.add_connection(std::move(peer));
  auto& socket = connect();
  for (auto* connection : {&kernel, &socket}) ASSERT_EQ(watch(*connection, "/w", "t"), "OK");
  ASSERT_EQ(write(dom0, "/w", ""), "OK");
  clock.now_us += 3600'000'000;
  (void)server.tick();
  EXPECT_THAT(take(kernel), ElementsAre("event /w t"));
  EXPECT_THAT(take(socket), ElementsAre("event /w t"));
}

TEST_F(Fairness, Events_D14_IdenticalOnesOfAStuckGuestMergeAndHoldOneRequest) {
  auto& stuck = make_guest(6);
  allow_everybody("/shared");
  ASSERT_EQ(watch(stuck, "/shared", "t"), "OK");
  (void)take(stuck);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(write_if_ready(guest, "/shared", ""));
  EXPECT_EQ(level(guest, Quota::kOutstanding).now, 1U);
  EXPECT_THAT(take(stuck), ElementsAre("event /shared t"));
  EXPECT_EQ(level(guest, Quota::kOutstanding).now, 0U);
}

TEST_F(Fairness, Outstanding_G5_AGoneReaderSetsTheWriterFree) {
  auto& stuck = make_guest(6);
  allow_everybody("/shared");
  ASSERT_EQ(watch(stuck, "/shared", "t"), "OK");
  (void)take(stuck);
  for (int i = 0; write_if_ready(guest, "/shared/" + std::to_string(i), ""); ++i) {
  }
  server.freeze(stuck);
  EXPECT_TRUE(server.ready_for(guest));
  server.remove_connection(stuck);
  check();
}

TEST_F(Fairness, Credits_E13_WritesThatMakeDom0LoseCostOneEach) {
  allow_everybody("/shared");
  for (int i = 0; i < 2; ++i) {
    const auto id = start(dom0);
    ASSERT_EQ(read(dom0, "/shared", id), std::to_string(i));
    ASSERT_EQ(write(guest, "/shared", "x"), "OK");
    ASSERT_EQ(write(guest, "/shared", std::to_string(i + 1)), "OK");  // one loss, one credit
    ASSERT_EQ(write(dom0, "/result", "", id), "OK");
    ASSERT_EQ(end(dom0, id), "EAGAIN");
  }
  EXPECT_EQ(guest.account->credits(), 3);
}

TEST_F(Fairness, Credits_E13_AtZeroTheRingRestsUntilIncomeReturns) {
  for (Seq seq = 1; seq <= 5; ++seq) guest.account->lose_credit(clock.now_us, seq);
  EXPECT_FALSE(server.ready_for(guest));
  server.settle();
  EXPECT_TRUE(rings.paused[5]);
  ASSERT_TRUE(server.next_wake_us().has_value());
  clock.now_us = *server.next_wake_us();
  server.wake();
  server.settle();
  EXPECT_FALSE(rings.paused[5]);
  EXPECT_TRUE(server.ready_for(guest));
}

TEST_F(Fairness, Credits_E13_AGuestCannotMakeAnotherPayForItsOwnNodes) {
  auto& reader = make_guest(6);
  ASSERT_EQ(write(guest, "state", "0"), "OK");
  ASSERT_EQ(set_perms(guest, "state", {"n5", "r6"}), "OK");
  const auto lose = [&](const std::string& path, const std::string& value) {
    const auto id = start(reader);
    (void)read(reader, path, id);
    EXPECT_EQ(write(guest, path, value), "OK");
    EXPECT_EQ(write(reader, "mine", "", id), "OK");
    EXPECT_EQ(end(reader, id), "EAGAIN");
  };
  for (int i = 1; i < 4; ++i) lose("/local/domain/5/state", std::to_string(i));
  EXPECT_EQ(guest.account->credits(), 5);
  allow_everybody("/shared");
  lose("/shared", "1");
  EXPECT_EQ(guest.account->credits(), 4);
  EXPECT_EQ(reader.account->credits(), 5);
}

// Bug: each transaction that lost by a commit cost the writer a credit, so that a guest with ten
// open had another one rest after a single write.
TEST_F(Fairness, Bug_E13_ACommitCostsOneCreditHoweverManyLoseByIt) {
  auto& reader = make_guest(6);
  allow_everybody("/shared");
  const auto lose_by = [&](int writes) {
    std::vector<std::uint32_t> ids;
    for (int i = 0; i < 8; ++i) {
      ids.push_back(start(reader));
      (void)read(reader, "/shared", ids.back());
    }
    for (int i = 0; i < writes; ++i) {
      EXPECT_EQ(write(guest, "/shared", std::to_string(clock.now_us++)), "OK");
    }
    for (const auto id : ids) {
      EXPECT_EQ(write(reader, "mine", std::to_string(id), id), "OK");
      EXPECT_EQ(end(reader, id), "EAGAIN");
    }
  };
  lose_by(1);
  EXPECT_EQ(guest.account->credits(), 4);
  lose_by(3);
  EXPECT_EQ(guest.account->credits(), 3);
}

// Bug: a guest could hold a transaction open for ever and have others pay when it lost.
TEST_F(Fairness, Bug_E13_OnlyYoungTransactionsOfGuestsAreProtected) {
  auto& reader = make_guest(6);
  allow_everybody("/shared");
  const auto lose_after = [&](daemon::Connection& loser, std::int64_t age_us) {
    const auto id = start(loser);
    (void)read(loser, "/shared", id);
    EXPECT_EQ(write(guest, "/shared", std::to_string(clock.now_us)), "OK");
    clock.now_us += age_us;
    EXPECT_EQ(write(loser, "mine", std::to_string(clock.now_us), id), "OK");
    EXPECT_EQ(end(loser, id), "EAGAIN");
    return guest.account->credits();
  };
  EXPECT_EQ(lose_after(reader, 50'001), 5);
  EXPECT_EQ(lose_after(reader, 40'000), 4);
  EXPECT_EQ(lose_after(dom0, 10'000'000), 4) << "five again, and one lost";
}

// The bar: dom0's transaction of 8 requests on a node that 16 guests hammer.
TEST_F(Fairness, Starvation_J3_Dom0CommitsWithin10TriesAnd1SecondWhile16GuestsHammer) {
  std::vector<daemon::Connection*> guests;
  for (DomId domid = 20; domid < 36; ++domid) guests.push_back(&make_guest(domid));
  allow_everybody("/hot");
  const std::int64_t began = clock.now_us;
  std::uint64_t writes = 0;
  const auto hammer = [&] {
    clock.now_us += 500;  // one round of the loop
    for (auto* one : guests) {
      if (write_if_ready(*one, "/hot", std::to_string(++writes))) continue;
    }
    if (const auto due = server.next_wake_us(); due && *due <= clock.now_us) server.wake();
    server.end_of_pass();
    server.settle();
  };
  int tries = 0;
  std::string answer = "EAGAIN";
  while (answer == "EAGAIN" && tries < 20) {
    ++tries;
    const auto id = start(dom0);
    hammer();
    for (int i = 0; i < 3; ++i) {
      (void)read(dom0, "/hot", id);
      hammer();
      (void)write(dom0, "/copy" + std::to_string(i), "", id);
      hammer();
    }
    answer = end(dom0, id);
    hammer();
  }
  EXPECT_EQ(answer, "OK");
  EXPECT_LE(tries, 10);
  EXPECT_LE(clock.now_us - began, 1'000'000);
  EXPECT_GT(writes, 16U * 10);
  EXPECT_GT(server.counters().delayed_writes, 0U);
}

TEST_F(Fairness, Guard_DelaysOnlyGuestWritesToWhatWasObservedAndAtMost50Milliseconds) {
  allow_everybody("/hot");
  allow_everybody("/cold");
  for (int i = 0; i < 3; ++i) {
    const auto id = start(dom0);
    (void)read(dom0, "/hot", id);
    ASSERT_EQ(write(guest, "/hot", "w" + std::to_string(i)), "OK");
    (void)write(dom0, "/result", "", id);
    ASSERT_EQ(end(dom0, id), "EAGAIN");
    clock.now_us += 100'000;
    server.wake();
  }
  const auto id = start(dom0);
  EXPECT_EQ(write(guest, "/cold", "1"), "OK");
  EXPECT_EQ(read(guest, "/hot"), "w2");
  EXPECT_EQ(write(dom0, "/hot", "dom0 itself"), "OK");
  begin(guest, wire::kWrite, zstrings({"/hot"}) + "late");
  EXPECT_TRUE(take(guest).empty());
  EXPECT_FALSE(server.ready_for(guest));
  EXPECT_EQ(server.next_wake_us(), clock.now_us + 50'000);
  clock.now_us += 49'999;
  server.end_of_pass();
  EXPECT_TRUE(take(guest).empty());
  clock.now_us += 1;
  server.end_of_pass();
  EXPECT_THAT(take(guest), ElementsAre("OK"));
  EXPECT_EQ(read(dom0, "/hot"), "late");
  EXPECT_EQ(server.next_wake_us(), std::nullopt);
  EXPECT_EQ(end(dom0, id, "F"), "OK");
}

TEST_F(Fairness, Guard_EndsWithItsTransactionAndHeldWritesGoWithTheirRing) {
  allow_everybody("/hot");
  for (int i = 0; i < 3; ++i) {
    const auto id = start(dom0);
    (void)read(dom0, "/hot", id);
    ASSERT_EQ(write(guest, "/hot", "w" + std::to_string(i)), "OK");
    (void)write(dom0, "/result", "", id);
    ASSERT_EQ(end(dom0, id), "EAGAIN");
  }
  auto& other = make_guest(6);
  const auto id = start(dom0);
  begin(guest, wire::kWrite, zstrings({"/hot"}) + "held");
  begin(other, wire::kRm, zstrings({"/hot"}));
  const auto tx = [&] {
    auto& third = make_guest(7);
    const auto mine = start(third);
    EXPECT_EQ(write(third, "/hot", "in a transaction", mine), "OK");
    begin(third, wire::kTransactionEnd, zstrings({"T"}), mine);
    EXPECT_TRUE(take(third).empty());  // held as well
    return &third;
  }();
  server.reset_ring(other);
  server.remove_connection(*tx);
  EXPECT_EQ(read(dom0, "/hot", id), "w2");
  EXPECT_EQ(write(dom0, "/result", "won", id), "OK");
  EXPECT_EQ(end(dom0, id), "OK");
  EXPECT_EQ(read(dom0, "/hot"), "w2");
  server.end_of_pass();
  EXPECT_THAT(take(guest), ElementsAre("OK"));
  EXPECT_EQ(read(dom0, "/hot"), "held");
  EXPECT_TRUE(server.ready_for(other));
}

TEST_F(Fairness, Guard_AGuestNeverGainsByLosing) {
  auto& loser = make_guest(6);
  allow_everybody("/hot");
  for (int i = 0; i < 5; ++i) {
    const auto id = start(loser);
    (void)read(loser, "/hot", id);
    ASSERT_EQ(write(dom0, "/hot", "w" + std::to_string(i)), "OK");
    (void)write(loser, "x", "", id);
    ASSERT_EQ(end(loser, id), "EAGAIN");
  }
  (void)start(loser);
  EXPECT_EQ(write(guest, "/hot", "at once"), "OK");
  EXPECT_EQ(server.counters().delayed_writes, 0U);
}

class ShortJournal : public Fairness {
 protected:
  ShortJournal() : Fairness(FakeJournal::Mode::kImmediate, options()) {}
  static daemon::ServerOptions options() {
    daemon::ServerOptions options;
    options.journal_budget_bytes = 1'000'000;
    return options;
  }
};

TEST_F(ShortJournal, AFloodingGuestRestsBeforeTheOthersGetEnospc) {
  auto& quiet = make_guest(6);
  journal.journal_bytes = 760'000;
  std::uint64_t written = 0;
  while (write_if_ready(guest, "flood", std::string(1000, 'x'))) {
    written += 1000;
    journal.journal_bytes += 1100;
    ASSERT_LT(journal.journal_bytes, 900'000U);  // two guests: a quarter of what was left
  }
  EXPECT_GT(written, 45'000U);
  server.settle();
  EXPECT_TRUE(rings.paused[5]);
  EXPECT_TRUE(write_if_ready(quiet, "quiet", "x"));
  EXPECT_EQ(write(dom0, "/dom0", "x"), "OK");
  EXPECT_FALSE(rings.paused[6]);
  journal.journal_bytes = 100'000;  // a checkpoint freed segments
  (void)server.tick();
  EXPECT_FALSE(rings.paused[5]);
  EXPECT_TRUE(write_if_ready(guest, "flood", "again"));
}

TEST_F(ShortJournal, WatchRecordsCountToo) {
  journal.journal_bytes = 760'000;
  int requests = 0;
  while (server.ready_for(guest) && requests < 10'000) {
    (void)watch(guest, "w", "t");
    if (!server.ready_for(guest)) break;
    (void)call(guest, wire::kUnwatch, zstrings({"w", "t"}));
    requests += 2;
  }
  EXPECT_FALSE(server.ready_for(guest));
}

// Bug: of all that a transaction's end writes only commits were charged.
TEST_F(ShortJournal, Bug_RecordsOfConflictsAreChargedToWhoFails) {
  journal.journal_bytes = 760'000;
  const std::uint64_t appended = journal.appended_bytes;
  for (int i = 0; server.ready_for(guest) && i < 200; ++i) {
    const auto id = start(guest);
    (void)read(guest, "mark", id);
    for (int k = 0; k < 5; ++k) {
      ASSERT_EQ(write(guest, "large" + std::to_string(k), std::string(2000, 'x'), id), "OK");
    }
    ASSERT_EQ(write(guest, "mark", std::to_string(i)), "OK");
    if (!server.ready_for(guest)) break;
    ASSERT_EQ(end(guest, id), "EAGAIN");
  }
  EXPECT_FALSE(server.ready_for(guest));
  EXPECT_EQ(guest.account->blocked(), daemon::kPauseJournal);
  // One guest and dom0's half: no more than its share, and what the last END added.
  EXPECT_LT(journal.appended_bytes - appended, (1'000'000 - 760'000) / 2 + 20'000U);
  EXPECT_EQ(write(dom0, "/dom0", "x"), "OK");
}

// Bug: a ring's being frozen and begun anew were records that nobody paid for.
TEST_F(ShortJournal, Bug_FreezingAndConnectingAnewIsCharged) {
  journal.journal_bytes = 990'000;
  int times = 0;
  for (; server.may_reset(guest) && times < 10'000; ++times) {
    server.freeze(guest);
    server.reset_ring(guest);
  }
  EXPECT_LT(times, 10'000);
  EXPECT_EQ(guest.account->blocked(), daemon::kPauseJournal);
}

class FlushedJournal : public CoreTest {
 protected:
  FlushedJournal() : CoreTest(FakeJournal::Mode::kOnFlush) {}
};

TEST_F(FlushedJournal, Nodes_G10_AreCountedAnewAfterARollback) {
  auto& dom0 = connect();
  begin(dom0, wire::kWrite, zstrings({"/kept/node"}) + "value");
  server.end_of_pass();
  EXPECT_THAT(take(dom0), ElementsAre("OK"));
  const auto kept = server.accounts().find({0, 0})->level(Quota::kNodes).now;
  begin(dom0, wire::kWrite, zstrings({"/lost/node"}) + "value");
  EXPECT_EQ(server.accounts().find({0, 0})->level(Quota::kNodes).now, kept + 2);
  journal.flush_errno = ENOSPC;
  server.end_of_pass();
  EXPECT_THAT(take(dom0), ElementsAre("ENOSPC"));
  EXPECT_EQ(server.accounts().find({0, 0})->level(Quota::kNodes).now, kept);
  EXPECT_TRUE(server.accounts().check(head.tree()).empty());
}

}  // namespace
}  // namespace vxs::test
