// How domains end, and who hears of it (F6..F12, C16, D17..D19).
#include "tests/daemon/domains/life_fixture.hh"

namespace vxs::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Death : public LifeTest {
 protected:
  using LifeTest::LifeTest;
};

TEST_F(Death, F9_F10_NodesOfTheDeadGoWithTheirSubtreesOneEventPerRoot) {
  (void)guest(5);
  (void)guest(6, 2);
  EXPECT_EQ(put("/own", {"n5"}), "OK");
  EXPECT_EQ(put("/own/deep", {"n5"}), "OK");
  EXPECT_EQ(put("/own/other", {"n6"}), "OK");
  EXPECT_EQ(put("/own-x", {"n6"}), "OK");
  EXPECT_EQ(put("/dir/second", {"n5"}), "OK");
  EXPECT_EQ(watch(*dom0, "/", "w"), "OK");
  EXPECT_EQ(watch(*dom0, "/own/other", "o"), "OK");
  const auto commits = server().counters().commits;
  kill(5);
  EXPECT_EQ(server().counters().commits, commits + 1);
  EXPECT_THAT(heard(*dom0), ElementsAre("/dir/second w", "/own/other o", "/own w"));
  EXPECT_EQ(read(*dom0, "/own/other"), "ENOENT");
  EXPECT_EQ(read(*dom0, "/own-x"), "v");
  EXPECT_EQ(read(*dom0, "/dir"), "");
  EXPECT_EQ(is_introduced(5), "F");
  expect_index_matches();
}

TEST_F(Death, C16_TheDeadAreTakenOutOfAllLists) {
  (void)guest(5);
  (void)guest(6, 2);
  EXPECT_EQ(put("/a", {"n0", "r5", "b6"}), "OK");
  EXPECT_EQ(put("/b", {"n6", "w5"}), "OK");
  EXPECT_EQ(set_perms(*dom0, "@releaseDomain", {"n0", "r5", "r6"}), "OK");
  EXPECT_EQ(set_perms(*dom0, "@introduceDomain", {"n5"}), "OK");
  EXPECT_EQ(watch(*dom0, "/", "w"), "OK");
  kill(5);
  EXPECT_EQ(perms_of("/a"), "n0 b6");
  EXPECT_EQ(perms_of("/b"), "n6");
  EXPECT_EQ(perms_of("@releaseDomain"), "n0 r6");
  EXPECT_EQ(perms_of("@introduceDomain"), "n0");
  EXPECT_THAT(heard(*dom0), IsEmpty());
  expect_index_matches();
}

// The differential test found it, with another seed: the parent's permissions count for nodes only.
TEST_F(Death, Bug_C8_D8_WhoMayReadTheRootIsNotThereforeToldOfOtherDomains) {
  auto& listener = guest(5);
  (void)guest(6, 2);
  EXPECT_EQ(set_perms(*dom0, "/", {"n0", "r5"}), "OK");
  EXPECT_EQ(set_perms(*dom0, "@releaseDomain", {"n0"}), "OK");
  EXPECT_EQ(watch(listener, "@releaseDomain", "t"), "OK");
  (void)heard(listener);
  kill(6);
  EXPECT_THAT(heard(listener), IsEmpty());
}

TEST_F(Death, TheRootOfTheTreeStaysAndGoesToDom0) {
  (void)guest(5);
  EXPECT_EQ(put("/a", {"n5"}), "OK");
  EXPECT_EQ(set_perms(*dom0, "/", {"r5"}), "OK");
  kill(5);
  EXPECT_EQ(perms_of("/"), "r0");
  EXPECT_EQ(read(*dom0, "/a"), "ENOENT");
}

TEST_F(Death, F7_DyingIsDeadAndShutdownIsNot) {
  (void)guest(5);
  (void)guest(6, 2);
  EXPECT_EQ(watch(*dom0, "@releaseDomain", "r"), "OK");
  hypervisor.exist[5].shutdown = true;
  scan();
  EXPECT_EQ(is_introduced(5), "T");
  EXPECT_THAT(heard(*dom0), ElementsAre("@releaseDomain r"));
  hypervisor.exist[5].dying = true;
  scan();
  EXPECT_EQ(is_introduced(5), "F");
  EXPECT_THAT(heard(*dom0), ElementsAre("@releaseDomain r"));
  EXPECT_EQ(is_introduced(6), "T");
}

TEST_F(Death, F8_J7_AnotherHandleOrUniqueIdIsAnotherLife) {
  (void)guest(5, 1);
  EXPECT_EQ(put("/a", {"n5"}), "OK");
  EXPECT_EQ(put("/b", {"n0", "r5"}), "OK");
  hypervisor.make(5, 9);
  scan();
  EXPECT_EQ(read(*dom0, "/a"), "ENOENT");
  EXPECT_EQ(perms_of("/b"), "n0");
  EXPECT_EQ(is_introduced(5), "F");

  hypervisor.make(6, 1, 100);
  EXPECT_EQ(introduce(6), "OK");
  EXPECT_EQ(rings.rings.at(6).connection->caller().incarnation, 100U);
  hypervisor.make(6, 2, 100);  // renamed; Xen says that it is the same
  scan();
  EXPECT_EQ(is_introduced(6), "T");
  hypervisor.make(6, 2, 101);
  scan();
  EXPECT_EQ(is_introduced(6), "F");
}

TEST_F(Death, F8_LivesNeverShareAnIncarnation) {
  std::set<Incarnation> seen;
  for (std::uint8_t life = 1; life < 20; ++life) {
    EXPECT_TRUE(seen.insert(guest(5, life).caller().incarnation).second);
    kill(5);
  }
}

TEST_F(Death, F8_RecordsOfDomainsThatWereNeverIntroducedGoSilently) {
  hypervisor.make(5, 1);
  EXPECT_EQ(put("/a", {"n5"}), "OK");
  EXPECT_EQ(call(*dom0, wire::kSetQuota, {"5", "nodes", "7"}), "OK");
  EXPECT_EQ(watch(*dom0, "@releaseDomain", "r"), "OK");
  kill(5);
  EXPECT_EQ(read(*dom0, "/a"), "ENOENT");
  EXPECT_EQ(run->domains.find(5), nullptr);
  EXPECT_THAT(heard(*dom0), IsEmpty());
}

TEST_F(Death, F12_Dom0NeverGoes) {
  hypervisor.exist.erase(0);
  scan();
  EXPECT_EQ(is_introduced(0), "T");
  EXPECT_TRUE(rings.rings.contains(0));
}

TEST_F(Death, A17_J10_AFrozenDomainIsReleasedWhenItDies) {
  auto& one = guest(5);
  EXPECT_EQ(watch(*dom0, "@releaseDomain", "r"), "OK");
  server().freeze(one);
  EXPECT_THAT(heard(*dom0), IsEmpty());
  kill(5);
  EXPECT_THAT(heard(*dom0), ElementsAre("@releaseDomain r"));
}

TEST_F(Death, E7_TransactionsAndWatchesGoWithTheirDomain) {
  auto& one = guest(5);
  EXPECT_EQ(watch(one, "/", "t"), "OK");
  EXPECT_EQ(call(one, wire::kTransactionStart, {""}), "1");
  const auto watches = server().watches().size();
  kill(5);
  EXPECT_EQ(server().branch_count(), 0U);
  EXPECT_EQ(server().watches().size(), watches - 1);
  EXPECT_EQ(write(*dom0, "/a", "1"), "OK");
}

TEST_F(Death, D17_D18_WhoHearsWhatOfARelease) {
  auto& listener = guest(9, 9);
  (void)guest(5);
  EXPECT_EQ(watch(listener, "@releaseDomain", "plain"), "OK");
  EXPECT_EQ(watch(listener, "@releaseDomain", "zero", 0), "OK");
  EXPECT_EQ(watch(listener, "@releaseDomain", "one", 1), "OK");
  EXPECT_EQ(watch(listener, "@releaseDomain/5", "five"), "OK");
  EXPECT_EQ(watch(listener, "@releaseDomain/6", "six"), "OK");
  kill(5);
  EXPECT_THAT(heard(listener),
              ElementsAre("@releaseDomain plain", "@releaseDomain/5 one", "@releaseDomain/5 five"));
}

TEST_F(Death, D18_ShutdownsTellEachDomainAtOnceAndAllOfThemOnce) {
  (void)guest(5);
  (void)guest(6, 2);
  EXPECT_EQ(watch(*dom0, "@releaseDomain", "plain"), "OK");
  EXPECT_EQ(watch(*dom0, "@releaseDomain", "one", 1), "OK");
  hypervisor.exist[5].shutdown = true;
  hypervisor.exist[6].shutdown = true;
  scan();
  EXPECT_THAT(heard(*dom0),
              ElementsAre("@releaseDomain/5 one", "@releaseDomain/6 one", "@releaseDomain plain"));
}

TEST_F(Death, D14_SpecialEventsAreNeverMerged) {
  (void)guest(5);
  (void)guest(6, 2);
  EXPECT_EQ(watch(*dom0, "@releaseDomain", "r"), "OK");
  hypervisor.exist.erase(5);
  hypervisor.exist.erase(6);
  scan();
  EXPECT_THAT(heard(*dom0), ElementsAre("@releaseDomain r", "@releaseDomain r"));
}

TEST_F(Death, D19_C8_SpecialEventsObeyTheNodesPermissions) {
  auto& one = guest(5);
  auto& two = guest(6, 2);
  for (auto* who : {&one, &two}) {
    EXPECT_EQ(watch(*who, "@introduceDomain", "i"), "OK");
    EXPECT_EQ(watch(*who, "@releaseDomain", "r"), "OK");
  }
  (void)guest(7, 3);
  EXPECT_THAT(heard(one), IsEmpty());  // n0
  EXPECT_EQ(set_perms(*dom0, "@introduceDomain", {"n0", "r5"}), "OK");
  EXPECT_EQ(set_perms(*dom0, "@releaseDomain", {"n0", "r6"}), "OK");
  (void)guest(8, 4);
  kill(7);
  EXPECT_THAT(heard(one), ElementsAre("@introduceDomain i"));
  EXPECT_THAT(heard(two), ElementsAre("@releaseDomain r"));
  EXPECT_EQ(set_perms(*dom0, "@fooDomain", {"n0"}), "ENOENT");
}

TEST_F(Death, D7_GuestsHearOfNodesTheyCouldReadBeforeTheirOwnerDied) {
  auto& one = guest(5);
  auto& two = guest(6, 2);
  EXPECT_EQ(put("/a", {"n5", "r6"}), "OK");
  EXPECT_EQ(put("/b", {"n5"}), "OK");
  EXPECT_EQ(watch(two, "/a", "a"), "OK");
  EXPECT_EQ(watch(two, "/b", "b"), "OK");
  EXPECT_EQ(watch(one, "/a", "a"), "OK");
  kill(5);
  EXPECT_THAT(heard(two), ElementsAre("/a a"));
}

class Orphans : public Death {
 protected:
  Orphans() : Death(FakeJournal::Mode::kImmediate, {.lifecycle = {.keep_orphans = true}}) {}
};

TEST_F(Orphans, F9_J19_KeptNodesGoToDom0) {
  (void)guest(5);
  (void)guest(6, 2);
  EXPECT_EQ(put("/a", {"r5", "b6"}), "OK");
  EXPECT_EQ(put("/b", {"n0", "r5"}), "OK");
  EXPECT_EQ(watch(*dom0, "/", "w"), "OK");
  kill(5);
  EXPECT_EQ(perms_of("/a"), "r0 b6");
  EXPECT_EQ(perms_of("/b"), "n0");
  EXPECT_THAT(heard(*dom0), IsEmpty());
  (void)guest(5, 2);
  EXPECT_EQ(read(*rings.rings.at(5).connection, "/b"), "EACCES");
  expect_index_matches();
}

TEST_F(Death, J19_NodesOfTheDeadAreNotLeftToDom0) {
  (void)guest(5);
  EXPECT_EQ(put("/dir", {"b5"}), "OK");
  EXPECT_EQ(set_perms(*dom0, "/dir", {"n0", "b5"}), "OK");
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(write(*rings.rings.at(5).connection, "/dir/" + std::to_string(i), "x"), "OK");
  }
  kill(5);
  EXPECT_EQ(call(*dom0, wire::kDirectory, {"/dir"}), "");
  EXPECT_EQ(server().lifecycle().nodes().size(), 0U);
}

TEST_F(Death, JournalThatRefusesIsTriedAgainAndTheRingGoesAtOnce) {
  (void)guest(5);
  EXPECT_EQ(put("/a", {"n5"}), "OK");
  EXPECT_EQ(watch(*dom0, "@releaseDomain", "r"), "OK");
  journal.append_errno = ENOSPC;
  kill(5);
  EXPECT_FALSE(rings.rings.contains(5));
  EXPECT_EQ(read(*dom0, "/a"), "v");
  EXPECT_THAT(heard(*dom0), IsEmpty());
  (void)server().tick();
  EXPECT_EQ(read(*dom0, "/a"), "v");
  journal.append_errno = 0;
  (void)server().tick();
  EXPECT_EQ(read(*dom0, "/a"), "ENOENT");
  EXPECT_THAT(heard(*dom0), ElementsAre("@releaseDomain r"));
  EXPECT_EQ(is_introduced(5), "F");
}

// Bug: until the journal took its end a dead domain was sent events, which nobody reads: each held
// a request of the guest that caused it.
TEST_F(Death, Bug_TheDeadWhoseEndTheJournalRefusesHearNothing) {
  auto& one = guest(5);
  EXPECT_EQ(put("/a", {"n5"}), "OK");
  EXPECT_EQ(watch(one, "/a", "t"), "OK");
  EXPECT_EQ(write(*dom0, "/a", "1"), "OK");
  journal.append_errno = ENOSPC;
  kill(5);
  journal.append_errno = 0;
  EXPECT_TRUE(one.outbox.empty());
  EXPECT_EQ(write(*dom0, "/a", "2"), "OK");
  EXPECT_TRUE(one.outbox.empty());
  (void)server().tick();
  EXPECT_EQ(read(*dom0, "/a"), "ENOENT");
}

TEST_F(Death, JournalThatRefusesAShutdownTellsItLater) {
  (void)guest(5);
  EXPECT_EQ(watch(*dom0, "@releaseDomain", "r"), "OK");
  hypervisor.exist[5].shutdown = true;
  journal.append_errno = EIO;
  scan();
  EXPECT_THAT(heard(*dom0), IsEmpty());
  journal.append_errno = 0;
  (void)server().tick();
  EXPECT_THAT(heard(*dom0), ElementsAre("@releaseDomain r"));
}

TEST_F(Death, ReleaseThatTheJournalRefusesChangesNothing) {
  auto& one = guest(5);
  EXPECT_EQ(put("/a", {"n5"}), "OK");
  EXPECT_EQ(watch(one, "/a", "t"), "OK");
  journal.append_errno = ENOSPC;
  EXPECT_EQ(release(5), "ENOSPC");
  journal.append_errno = 0;
  EXPECT_EQ(write(*dom0, "/a", "1"), "OK");
  EXPECT_THAT(heard(one), ElementsAre("/a t"));
  EXPECT_EQ(is_introduced(5), "T");
}

TEST_F(Death, J18_DeepTreesAreCleanedWithoutRecursion) {
  (void)guest(5);
  std::string path;
  for (int i = 0; i < 1000; ++i) path += "/x";
  EXPECT_EQ(put("/x", {"n5"}), "OK");
  EXPECT_EQ(write(*rings.rings.at(5).connection, path, "deep"), "OK");
  kill(5);
  EXPECT_EQ(read(*dom0, "/x"), "ENOENT");
  expect_index_matches();
}

}  // namespace
}  // namespace vxs::test
