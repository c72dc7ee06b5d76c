// Life and death over a journal that can lose what it took (design §5): what was lost did not
// happen, except where a ring cannot be put back.
#include "tests/daemon/domains/life_fixture.hh"

namespace vxs::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

class Rollback : public LifeTest {
 protected:
  Rollback() : LifeTest(FakeJournal::Mode::kLater) {}

  std::string safely(daemon::Connection& who, std::uint32_t type, std::string_view payload) {
    begin(who, type, payload);
    safe();
    std::string answer = "nothing";
    for (const auto& text : take(who)) {
      if (!text.starts_with("event ")) answer = text;
    }
    return answer;
  }
  daemon::Connection& safe_guest(DomId domid, std::uint8_t life = 1) {
    hypervisor.make(domid, life);
    EXPECT_EQ(safely(*dom0, wire::kIntroduce, zstrings({std::to_string(domid), "1", "3"})), "OK");
    return *rings.rings.at(domid).connection;
  }
};

TEST_F(Rollback, AnIntroductionAnswersAndTellsWhenItIsSafe) {
  EXPECT_EQ(safely(*dom0, wire::kWatch, zstrings({"@introduceDomain", "i"})), "OK");
  (void)take(*dom0);
  hypervisor.make(5, 1);
  begin(*dom0, wire::kIntroduce, zstrings({"5", "1", "3"}));
  EXPECT_THAT(take(*dom0), IsEmpty());
  safe();
  EXPECT_THAT(take(*dom0), ElementsAre("event @introduceDomain i", "OK"));
}

TEST_F(Rollback, ALostIntroductionDidNotHappen) {
  hypervisor.make(5, 1);
  begin(*dom0, wire::kIntroduce, zstrings({"5", "1", "3"}));
  lose(ENOSPC);
  EXPECT_THAT(take(*dom0), ElementsAre("ENOSPC"));
  EXPECT_FALSE(rings.rings.contains(5));
  EXPECT_EQ(is_introduced(5), "F");
  mend();
  auto& one = safe_guest(5);
  EXPECT_NE(one.caller().incarnation, 0U);
}

TEST_F(Rollback, ALostReleaseServesTheRingAgainWithItsWatches) {
  auto& one = safe_guest(5);
  const auto id = one.id();
  EXPECT_EQ(safely(one, wire::kWatch, zstrings({"/a", "t"})), "OK");
  EXPECT_EQ(safely(*dom0, wire::kWrite, zstrings({"/a"}) + "1"), "OK");
  EXPECT_EQ(safely(*dom0, wire::kSetPerms, zstrings({"/a", "n5"})), "OK");
  (void)rings.take_log();
  begin(*dom0, wire::kRelease, zstrings({"5"}));
  lose(EIO);
  EXPECT_THAT(take(*dom0), ElementsAre("EIO"));
  EXPECT_THAT(rings.take_log(), ElementsAre("detach 5", "attach 5 3", "resumed 5"));
  mend();
  auto& again = *rings.rings.at(5).connection;
  EXPECT_EQ(again.id(), id);
  EXPECT_EQ(safely(*dom0, wire::kWrite, zstrings({"/a"}) + "2"), "OK");
  EXPECT_THAT(take(again), ElementsAre("event /a t"));
  EXPECT_EQ(safely(again, wire::kRead, zstrings({"/a"})), "2");
  expect_index_matches();
}

TEST_F(Rollback, ALostDeathHappensAgain) {
  (void)safe_guest(5);
  EXPECT_EQ(safely(*dom0, wire::kWrite, zstrings({"/a"}) + "1"), "OK");
  EXPECT_EQ(safely(*dom0, wire::kSetPerms, zstrings({"/a", "n5"})), "OK");
  EXPECT_EQ(safely(*dom0, wire::kWatch, zstrings({"@releaseDomain", "r"})), "OK");
  (void)take(*dom0);
  hypervisor.exist.erase(5);
  rings.broken.insert(5);
  scan();
  lose(EIO);
  EXPECT_THAT(take(*dom0), IsEmpty());
  EXPECT_EQ(read(*dom0, "/a"), "1");
  mend();
  safe();
  EXPECT_THAT(take(*dom0), ElementsAre("event @releaseDomain r"));
  EXPECT_EQ(read(*dom0, "/a"), "ENOENT");
  expect_index_matches();
}

TEST_F(Rollback, LostWatchesAreGoneAndLostRemovalsToo) {
  auto& one = safe_guest(5);
  EXPECT_EQ(safely(*dom0, wire::kSetPerms, zstrings({"/", "r0"})), "OK");
  EXPECT_EQ(safely(one, wire::kWatch, zstrings({"/a", "kept"})), "OK");
  (void)take(one);
  begin(one, wire::kUnwatch, zstrings({"/a", "kept"}));
  auto& two = *rings.rings.at(0).connection;
  begin(two, wire::kWatch, zstrings({"/a", "lost"}));
  lose(EIO);
  EXPECT_THAT(take(one), ElementsAre("EIO"));
  EXPECT_THAT(take(two), ElementsAre("EIO"));
  mend();
  EXPECT_EQ(safely(*dom0, wire::kWrite, zstrings({"/a"}) + "2"), "OK");
  EXPECT_THAT(take(one), ElementsAre("event /a kept"));
  EXPECT_THAT(take(two), IsEmpty());
}

TEST_F(Rollback, ARingThatBeganAnewStaysSoAndItsRecordFollows) {
  auto& one = safe_guest(5);
  EXPECT_EQ(safely(one, wire::kWatch, zstrings({"/a", "t"})), "OK");
  server().reset_ring(one);
  lose(EIO);
  EXPECT_TRUE(one.watches.empty());
  mend();
  EXPECT_EQ(safely(one, wire::kWatch, zstrings({"/a", "t"})), "OK");
  EXPECT_EQ(one.watches.size(), 1U);
  // What was recorded is what is there: going back once more changes nothing.
  const auto captured = server().lifecycle().capture();
  begin(*dom0, wire::kSetQuota, zstrings({"nodes", "5"}));
  lose(EIO);
  EXPECT_TRUE(server().lifecycle().capture() == captured);
}

// The journal refused a reset's record, and a rollback gave the session that had ended its watches
// back.
TEST_F(Rollback, Bug_AResetThatIsOwedSurvivesARollback) {
  auto& one = safe_guest(5);
  EXPECT_EQ(safely(one, wire::kWatch, zstrings({"/a", "t"})), "OK");
  journal.append_errno = EIO;
  server().freeze(one);
  journal.append_errno = 0;
  begin(*dom0, wire::kSetQuota, zstrings({"nodes", "5"}));
  lose(EIO);
  EXPECT_TRUE(one.frozen);
  EXPECT_TRUE(one.watches.empty());
  mend();
  safe();
  const auto captured = server().lifecycle().capture();
  EXPECT_TRUE(captured.connections.at(one.id()).frozen);
  begin(*dom0, wire::kSetQuota, zstrings({"nodes", "5"}));
  lose(EIO);
  EXPECT_TRUE(server().lifecycle().capture() == captured) << "it was recorded";
}

TEST_F(Rollback, Bug_OfTwoResetsTheNewerCountsThoughItWasNeverRecorded) {
  auto& one = safe_guest(5);
  EXPECT_EQ(safely(one, wire::kWatch, zstrings({"/a", "t"})), "OK");
  server().freeze(one);
  journal.append_errno = EIO;
  server().reset_ring(one);
  lose(EIO);
  EXPECT_FALSE(one.frozen);
  EXPECT_TRUE(one.watches.empty());
}

// It was answered with an error, and the watches were gone.
TEST_F(Rollback, Bug_ARefusedResetWatchesLeavesTheWatches) {
  auto& one = safe_guest(5);
  EXPECT_EQ(safely(*dom0, wire::kSetPerms, zstrings({"/", "r0"})), "OK");
  EXPECT_EQ(safely(one, wire::kWatch, zstrings({"/a", "t"})), "OK");
  (void)take(one);
  begin(one, wire::kResetWatches, zstrings({""}));
  EXPECT_TRUE(one.watches.empty());
  lose(EIO);
  EXPECT_THAT(take(one), ElementsAre("EIO"));
  mend();
  EXPECT_EQ(safely(*dom0, wire::kWrite, zstrings({"/a"}) + "2"), "OK");
  EXPECT_THAT(take(one), ElementsAre("event /a t"));
}

// A ring that began anew before stays so, though a RESET_WATCHES came after it.
TEST_F(Rollback, ARefusedResetWatchesDoesNotTakeBackAnEarlierBeginning) {
  auto& one = safe_guest(5);
  EXPECT_EQ(safely(one, wire::kWatch, zstrings({"/a", "t"})), "OK");
  server().reset_ring(one);
  begin(one, wire::kResetWatches, zstrings({""}));
  lose(EIO);
  EXPECT_THAT(take(one), ElementsAre("EIO"));
  EXPECT_TRUE(one.watches.empty());
}

// Lives that Xen numbers: released and known again, a domain has the incarnation it had.
class RollbackOfANumberedLife : public Rollback {
 protected:
  RollbackOfANumberedLife() {
    hypervisor.make(5, 1, 77);
    EXPECT_EQ(safely(*dom0, wire::kIntroduce, zstrings({"5", "1", "3"})), "OK");
    session = rings.rings.at(5).connection->id();
    EXPECT_EQ(safely(*rings.rings.at(5).connection, wire::kWatch, zstrings({"/a", "t"})), "OK");
    (void)rings.take_log();
  }
  // As before: the ring is served to the session it had, which has its watches.
  void expect_the_session() {
    ASSERT_TRUE(rings.rings.contains(5));
    ASSERT_NE(rings.rings.at(5).connection, nullptr);
    EXPECT_EQ(rings.rings.at(5).connection->id(), session);
    EXPECT_EQ(rings.rings.at(5).connection->watches.size(), 1U);
    const auto captured = server().lifecycle().capture();
    EXPECT_TRUE(captured.domains.at(5).introduced);
    EXPECT_EQ(captured.domains.at(5).connection, session);
    EXPECT_TRUE(captured.connections.contains(session));
  }
  ConnectionId session = 0;
};

// The live session had another number than the journal's, whose next record of it was damage.
TEST_F(RollbackOfANumberedLife, Bug_ALostReleaseAndIntroductionGiveTheSessionBack) {
  auto& other = socket();
  begin(*dom0, wire::kRelease, zstrings({"5"}));
  begin(other, wire::kIntroduce, zstrings({"5", "1", "3"}));
  ASSERT_NE(rings.rings.at(5).connection->id(), session);
  lose(EIO);
  EXPECT_THAT(take(other), ElementsAre("EIO"));
  expect_the_session();
}

// The ring of an introduced domain was not served, for as long as the daemon ran.
TEST_F(RollbackOfANumberedLife, Bug_ALostReleaseOfADomainThatIsKnownAgainServesItsRing) {
  auto& other = socket();
  begin(*dom0, wire::kRelease, zstrings({"5"}));
  begin(other, wire::kSetQuota, zstrings({"5", "nodes", "7"}));
  lose(EIO);
  EXPECT_THAT(take(other), ElementsAre("EIO"));
  EXPECT_THAT(rings.take_log(), ElementsAre("detach 5", "attach 5 3", "resumed 5"));
  expect_the_session();
}

// It was served the session of the life before, with that one's watches, until the next scan.
TEST_F(Rollback, Bug_ARevivedDomainIsServedOnlyIfXenSaysItIsTheSame) {
  (void)safe_guest(5);
  (void)rings.take_log();
  begin(*dom0, wire::kRelease, zstrings({"5"}));
  hypervisor.make(5, 2);
  lose(EIO);
  EXPECT_THAT(rings.take_log(), ElementsAre("detach 5"));
  mend();
  safe();
  EXPECT_EQ(safely(*dom0, wire::kIsDomainIntroduced, zstrings({"5"})), "F");
}

}  // namespace
}  // namespace vxs::test
