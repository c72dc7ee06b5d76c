// What the transport of rings asks of the dispatcher: freezing a ring, and beginning anew on it.
#include <gmock/gmock.h>

#include "tests/daemon/core/core_fixture.hh"

namespace vxs::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

class Session : public CoreTest {
 protected:
  explicit Session(FakeJournal::Mode mode = FakeJournal::Mode::kImmediate)
      : CoreTest(mode, {.max_event_bytes = 100'000}) {}

  daemon::Connection& ring(DomId domid) {
    daemon::Connection::Peer peer;
    peer.id = server.new_connection_id() + 1000;
    peer.caller.domid = domid;
    peer.caller.privileged = false;
    peer.ring = true;
    return server.add_connection(std::move(peer));
  }
  std::vector<daemon::Connection*> dirty_rings() {
    std::vector<daemon::Connection*> out;
    server.take_dirty_rings(out);
    return out;
  }

  daemon::Connection& dom0 = connect();
  daemon::Connection& guest = ring(5);
};

TEST_F(Session, SocketsAndRingsHaveListsOfTheirOwn) {
  (void)call(dom0, wire::kGetDomainPath, zstrings({"5"}));
  (void)call(guest, wire::kGetDomainPath, zstrings({"5"}));
  std::vector<daemon::Connection*> sockets;
  server.take_dirty(sockets);
  EXPECT_THAT(sockets, ElementsAre(&dom0));
  EXPECT_THAT(dirty_rings(), ElementsAre(&guest));
  EXPECT_THAT(dirty_rings(), IsEmpty());
}

TEST_F(Session, A17_FreezeDropsWatchesTransactionsAndOutput) {
  EXPECT_EQ(call(guest, wire::kWatch, zstrings({"/a", "t"})), "OK");
  (void)start(guest);
  (void)start(guest);
  begin(guest, wire::kGetDomainPath, zstrings({"5"}));
  (void)dirty_rings();
  server.freeze(guest);
  EXPECT_EQ(server.branch_count(), 0U);
  EXPECT_EQ(server.watches().size(), 0U);
  EXPECT_TRUE(guest.outbox.empty());
  EXPECT_FALSE(server.ready_for(guest));
  EXPECT_THAT(dirty_rings(), ElementsAre(&guest));
  EXPECT_EQ(write(dom0, "/a", "1"), "OK");
  EXPECT_THAT(take(guest), IsEmpty());
  EXPECT_FALSE(guest.doomed);
}

TEST_F(Session, A18_ResetThawsAFrozenRing) {
  server.freeze(guest);
  server.reset_ring(guest);
  EXPECT_TRUE(server.ready_for(guest));
  EXPECT_EQ(call(guest, wire::kWatch, zstrings({"@releaseDomain", "t"})), "OK");
}

TEST_F(Session, F3_ResetDropsWhatTheSessionHad) {
  EXPECT_EQ(call(guest, wire::kWatch, zstrings({"/a", "t"})), "OK");
  const auto id = start(guest);
  server.reset_ring(guest);
  EXPECT_THAT(take(guest), IsEmpty());
  EXPECT_EQ(end(guest, id), "ENOENT");
  EXPECT_EQ(call(guest, wire::kWatch, zstrings({"/a", "t"})), "OK");
}

TEST_F(Session, A14_ARingThatReadsNothingLosesEventsAndStays) {
  daemon::Connection& fast = ring(6);
  EXPECT_EQ(call(dom0, wire::kWatch, zstrings({"/", "t"})), "OK");
  EXPECT_EQ(call(dom0, wire::kSetPerms, zstrings({"/", "b0"})), "OK");
  EXPECT_EQ(call(guest, wire::kWatch, zstrings({"/", "t"})), "OK");
  for (int i = 0; i < 100; ++i) {
    const std::string path = "/" + std::string(1990, 'x') + std::to_string(i);
    ASSERT_EQ(write(fast, path, ""), "OK");
    ASSERT_EQ(call(fast, wire::kRm, zstrings({path})), "OK");
    (void)take(dom0);
  }
  EXPECT_LT(guest.outbox.unsent_event_bytes(), 104'000U);
  EXPECT_GT(guest.outbox.unsent_event_bytes(), 96'000U);
  EXPECT_FALSE(guest.doomed);
}

class LaterSession : public Session {
 protected:
  LaterSession() : Session(FakeJournal::Mode::kLater) {}
};

// J22: nothing of a request that waited is left behind.
TEST_F(LaterSession, A17_FreezeWhileAReplyWaitsForTheJournal) {
  begin(dom0, wire::kWrite, zstrings({"/a"}) + "1");
  begin(guest, wire::kRead, zstrings({"@x"}));
  begin(guest, wire::kGetPerms, zstrings({"/"}));
  EXPECT_FALSE(server.ready_for(guest));
  server.freeze(guest);
  server.reset_ring(guest);
  EXPECT_TRUE(server.ready_for(guest));
  server.end_of_pass();
  journal.make_safe(journal.last_seq());
  server.journal_progressed();
  EXPECT_THAT(take(guest), IsEmpty());
  EXPECT_THAT(take(dom0), Contains("OK"));
}

}  // namespace
}  // namespace vxs::test
