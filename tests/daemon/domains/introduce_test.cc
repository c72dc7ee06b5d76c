// INTRODUCE, RELEASE, RESUME, SET_TARGET, features: what the requests of B14..B20 do (F1..F6).
#include "tests/daemon/domains/life_fixture.hh"

namespace vxs::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Introduce : public LifeTest {};

TEST_F(Introduce, A24_OwnRingIsServedFromTheStartWithoutTouchingItsIndices) {
  ASSERT_TRUE(rings.rings.contains(0));
  EXPECT_TRUE(rings.rings.at(0).connection->caller().privileged);
  EXPECT_EQ(is_introduced(0), "T");
}

TEST_F(Introduce, F2_FirstIntroductionMapsServesAndTells) {
  EXPECT_EQ(watch(*dom0, "@introduceDomain", "i"), "OK");
  hypervisor.make(5, 1);
  EXPECT_EQ(is_introduced(5), "F");
  EXPECT_EQ(introduce(5, 9), "OK");
  EXPECT_THAT(rings.take_log(), ElementsAre("attach 5 9", "fresh 5"));
  EXPECT_THAT(heard(*dom0), ElementsAre("@introduceDomain i"));
  EXPECT_EQ(is_introduced(5), "T");
  auto& guest = *rings.rings.at(5).connection;
  EXPECT_FALSE(guest.caller().privileged);
  EXPECT_NE(guest.caller().incarnation, 0U);
  EXPECT_EQ(call(guest, wire::kGetFeature, ""), "15");
}

TEST_F(Introduce, A23_ThePagesPortIsTheOneThatIsRecorded) {
  hypervisor.make(5, 1);
  rings.pages[5] = 44;
  EXPECT_EQ(introduce(5, 9), "OK");
  EXPECT_EQ(run->domains.find(5)->remote_port, 44U);
}

TEST_F(Introduce, B14_BadArgumentsAreEinval) {
  hypervisor.make(5, 1);
  EXPECT_EQ(call(*dom0, wire::kIntroduce, {"5", "1"}), "EINVAL");
  EXPECT_EQ(introduce(5, 0), "EINVAL");
  EXPECT_EQ(call(*dom0, wire::kIntroduce, {"99999", "1", "2"}), "EINVAL");
  EXPECT_EQ(call(*dom0, wire::kIntroduce, {"5", "1", "99999999999"}), "EINVAL");
  EXPECT_EQ(introduce(40000), "EINVAL");
  EXPECT_EQ(call(*dom0, wire::kIntroduce, {"5", "1", "2", "more"}), "OK");
}

TEST_F(Introduce, B14_NoSuchDomainPageOrPortIsEinvalAndLeavesNothing) {
  EXPECT_EQ(introduce(5), "EINVAL");
  hypervisor.make(5, 1);
  rings.broken.insert(5);
  EXPECT_EQ(introduce(5), "EINVAL");
  EXPECT_EQ(is_introduced(5), "F");
  hypervisor.exist[5].dying = true;
  rings.broken.clear();
  EXPECT_EQ(introduce(5), "EINVAL");
}

TEST_F(Introduce, JournalThatRefusesLeavesTheDomainUnintroduced) {
  hypervisor.make(5, 1);
  journal.append_errno = ENOSPC;
  EXPECT_EQ(introduce(5), "ENOSPC");
  EXPECT_FALSE(rings.rings.contains(5));
  journal.append_errno = 0;
  EXPECT_EQ(introduce(5), "OK");
}

TEST_F(Introduce, F3_SecondIntroductionBeginsAnewWithoutAnEvent) {
  auto& one = guest(5);
  EXPECT_EQ(watch(*dom0, "@introduceDomain", "i"), "OK");
  EXPECT_EQ(watch(one, "/a", "t"), "OK");
  const auto tx = call(one, wire::kTransactionStart, {""});
  EXPECT_EQ(tx, "1");
  (void)rings.take_log();
  EXPECT_EQ(introduce(5, 8), "OK");
  EXPECT_THAT(rings.take_log(), ElementsAre("again 5 8"));
  EXPECT_THAT(heard(*dom0), IsEmpty());
  EXPECT_EQ(rings.rings.at(5).connection, &one);
  EXPECT_EQ(server().branch_count(), 0U);
  EXPECT_EQ(write(*dom0, "/a", "1"), "OK");
  EXPECT_THAT(heard(one), IsEmpty());
}

TEST_F(Introduce, A18_SecondIntroductionRevivesAFrozenRing) {
  auto& one = guest(5);
  server().freeze(one);
  EXPECT_EQ(is_introduced(5), "T");
  EXPECT_EQ(introduce(5), "OK");
  EXPECT_TRUE(server().ready_for(one));
}

TEST_F(Introduce, F5_TheStoreDomainKeepsItsRing) {
  auto& own = *rings.rings.at(0).connection;
  EXPECT_EQ(watch(own, "/a", "t"), "OK");
  EXPECT_EQ(introduce(0, 7), "EINVAL");
  EXPECT_EQ(introduce(0, own_port), "OK");
  EXPECT_THAT(rings.take_log(), IsEmpty());
  EXPECT_EQ(write(*dom0, "/a", "1"), "OK");
  EXPECT_THAT(heard(own), ElementsAre("/a t"));
}

TEST_F(Introduce, F6_ReleaseEndsTheLifeAndTellsOthersOnly) {
  auto& one = guest(5);
  auto& other = guest(6, 2);
  EXPECT_EQ(put("/local/domain/5", {"n5"}), "OK");
  EXPECT_EQ(watch(one, "/local/domain/5", "own"), "OK");
  EXPECT_EQ(watch(other, "@releaseDomain", "r"), "OK");
  EXPECT_EQ(watch(*dom0, "/local", "l"), "OK");
  (void)rings.take_log();
  EXPECT_EQ(release(5), "OK");
  EXPECT_THAT(rings.take_log(), ElementsAre("detach 5"));
  EXPECT_THAT(heard(other), ElementsAre("@releaseDomain r"));
  EXPECT_THAT(heard(*dom0), ElementsAre("/local/domain/5 l"));
  EXPECT_EQ(is_introduced(5), "F");
  EXPECT_EQ(release(5), "ENOENT");
  EXPECT_EQ(introduce(5), "OK");
}

TEST_F(Introduce, B15_ReleaseAndResumeRefuseDomainZeroAndStrangers) {
  for (const auto type : {wire::kRelease, wire::kResume}) {
    EXPECT_EQ(call(*dom0, type, {"0"}), "EINVAL");
    EXPECT_EQ(call(*dom0, type, {"5"}), "ENOENT");
    EXPECT_EQ(call(*dom0, type, {"x"}), "EINVAL");
    EXPECT_EQ(call(*dom0, type, {"5", "6"}), "EINVAL");
  }
}

TEST_F(Introduce, F13_ResumeLetsAShutdownBeToldAgain) {
  (void)guest(5);
  EXPECT_EQ(watch(*dom0, "@releaseDomain", "r"), "OK");
  hypervisor.exist[5].shutdown = true;
  scan();
  scan();
  EXPECT_THAT(heard(*dom0), ElementsAre("@releaseDomain r"));
  EXPECT_EQ(call(*dom0, wire::kResume, {"5"}), "OK");
  EXPECT_EQ(is_introduced(5), "T");
  scan();
  EXPECT_THAT(heard(*dom0), ElementsAre("@releaseDomain r"));
}

TEST_F(Introduce, B16_TargetGivesTheStubDomainItsGuestsRights) {
  auto& stub = guest(7);
  (void)guest(5, 2);
  EXPECT_EQ(put("/mine", {"n5"}), "OK");
  EXPECT_EQ(read(stub, "/mine"), "EACCES");
  EXPECT_EQ(call(*dom0, wire::kSetTarget, {"7", "5"}), "OK");
  EXPECT_EQ(read(stub, "/mine"), "v");
  EXPECT_EQ(set_perms(stub, "/mine", {"n5", "r9"}), "OK");  // C12
  EXPECT_EQ(write(stub, "/mine/below", "x"), "OK");
  EXPECT_EQ(perms_of("/mine/below"), "n7 r9");
}

TEST_F(Introduce, B16_BothHaveToBeIntroducedGuests) {
  (void)guest(7);
  EXPECT_EQ(call(*dom0, wire::kSetTarget, {"7", "5"}), "ENOENT");
  EXPECT_EQ(call(*dom0, wire::kSetTarget, {"5", "7"}), "ENOENT");
  EXPECT_EQ(call(*dom0, wire::kSetTarget, {"7", "0"}), "EINVAL");
  EXPECT_EQ(call(*dom0, wire::kSetTarget, {"0", "7"}), "EINVAL");
  EXPECT_EQ(call(*dom0, wire::kSetTarget, {"7"}), "EINVAL");
}

TEST_F(Introduce, F11_ATargetThatDiedGivesTheNextLifeNothing) {
  auto& stub = guest(7);
  (void)guest(5, 2);
  EXPECT_EQ(call(*dom0, wire::kSetTarget, {"7", "5"}), "OK");
  kill(5);
  (void)guest(5, 3);
  EXPECT_EQ(put("/mine", {"n5"}), "OK");
  EXPECT_EQ(read(stub, "/mine"), "EACCES");
  EXPECT_EQ(run->domains.find(7)->target, kDomIdInvalid);
}

TEST_F(Introduce, J4_StubDomainAndGuestDieTogether) {
  (void)guest(7);
  (void)guest(5, 2);
  EXPECT_EQ(call(*dom0, wire::kSetTarget, {"7", "5"}), "OK");
  hypervisor.exist.erase(5);
  hypervisor.exist.erase(7);
  scan();
  EXPECT_EQ(is_introduced(5), "F");
  EXPECT_EQ(is_introduced(7), "F");
  EXPECT_EQ(rings.rings.size(), 1U);
}

TEST_F(Introduce, B19_B20_FeaturesBindTheDomainThatIsIntroducedLater) {
  hypervisor.make(5, 1);
  EXPECT_EQ(call(*dom0, wire::kSetFeature, {"6", "0"}), "ENOENT");
  EXPECT_EQ(call(*dom0, wire::kGetFeature, {"6"}), "ENOENT");
  EXPECT_EQ(call(*dom0, wire::kSetFeature, {"5", "2"}), "OK");
  EXPECT_EQ(call(*dom0, wire::kGetFeature, {"5"}), "2");
  auto& one = guest(5);
  EXPECT_EQ(call(*dom0, wire::kSetFeature, {"5", "15"}), "EBUSY");
  EXPECT_EQ(call(one, wire::kGetFeature, ""), "2");
  EXPECT_EQ(call(one, wire::kWatch, {"/a", "t", "1"}), "EINVAL");
  kill(5);
  hypervisor.make(5, 2);
  EXPECT_EQ(call(*dom0, wire::kGetFeature, {"5"}), "15");
}

TEST_F(Introduce, B23_InATransactionDomainsChangeAtOnce) {
  hypervisor.make(5, 1);
  const auto tx =
      static_cast<std::uint32_t>(std::stoul(call(*dom0, wire::kTransactionStart, {""})));
  EXPECT_EQ(call(*dom0, wire::kIntroduce, {"5", "1", "3"}, tx), "OK");
  EXPECT_EQ(is_introduced(5), "T");
  EXPECT_EQ(call(*dom0, wire::kTransactionEnd, {"F"}, tx), "OK");
  EXPECT_EQ(is_introduced(5), "T");
}

TEST_F(Introduce, C13_J7_PermissionsAreBoundToTheLifeThatExistsWhenTheyAreSet) {
  hypervisor.make(5, 1);
  EXPECT_EQ(put("/a", {"n0", "r5"}), "OK");  // before it is introduced, as libxl does
  auto& one = guest(5);
  EXPECT_EQ(read(one, "/a"), "v");
}

TEST_F(Introduce, B8_4_J17_UnknownDomainsAreStaleForEver) {
  EXPECT_EQ(put("/a", {"n0", "r5"}), "OK");
  EXPECT_EQ(put("/b", {"n5"}), "ENOENT");
  auto& one = guest(5);
  EXPECT_EQ(read(one, "/a"), "EACCES");
  EXPECT_EQ(perms_of("/a"), "n0 r5");
  EXPECT_EQ(set_perms(*dom0, "/a", {"n0", "r5"}), "OK");
  EXPECT_EQ(read(one, "/a"), "v");
}

TEST_F(Introduce, C13_PermissionsSetWhenADomidWasReusedUnnoticedAreTheNewLifes) {
  (void)guest(5, 1);
  EXPECT_EQ(put("/old", {"n5"}), "OK");
  hypervisor.make(5, 2);  // nobody told us yet
  EXPECT_EQ(put("/new", {"n0", "r5"}), "OK");
  EXPECT_EQ(read(*dom0, "/old"), "ENOENT");
  EXPECT_EQ(is_introduced(5), "F");
  EXPECT_EQ(introduce(5), "OK");
  EXPECT_EQ(read(*rings.rings.at(5).connection, "/new"), "v");
}

TEST_F(Introduce, HypervisorThatFailsIsNoDomain) {
  hypervisor.make(5, 1);
  hypervisor.fails = EIO;
  EXPECT_EQ(put("/b", {"n5"}), "ENOENT");
  EXPECT_EQ(introduce(5), "EINVAL");
}

}  // namespace
}  // namespace vxs::test
