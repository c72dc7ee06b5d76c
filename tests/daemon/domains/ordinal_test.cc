// Which request a record says it carried out: after a restart that one is answered again, any other
// is handled again (design §6).
#include "tests/daemon/domains/life_fixture.hh"

namespace vxs::test {
namespace {

using store::RequestId;
using testing::ElementsAre;

class Ordinals : public LifeTest {
 protected:
  /// What the records since the last call carried out.
  std::vector<RequestId> carried_out() {
    std::vector<RequestId> news(journal.requests.begin() + static_cast<std::ptrdiff_t>(seen_),
                                journal.requests.end());
    seen_ = journal.requests.size();
    return news;
  }
  RequestId last_of(const daemon::Connection& connection) {
    return {connection.id(), connection.ordinal};
  }
  static constexpr RequestId kNone{};

 private:
  std::size_t seen_ = journal.requests.size();
};

TEST_F(Ordinals, CountEveryRequestOfAConnectionAndStandInItsRecords) {
  auto& other = socket();
  EXPECT_EQ(write(*dom0, "/a", "1"), "OK");
  EXPECT_EQ(carried_out(), (std::vector{RequestId{dom0->id(), 1}}));
  EXPECT_EQ(read(*dom0, "/a"), "1");
  EXPECT_EQ(read(other, "/none"), "ENOENT");
  EXPECT_EQ(write(*dom0, "/a", "2"), "OK");
  EXPECT_EQ(write(other, "/a", "3"), "OK");
  EXPECT_THAT(carried_out(), ElementsAre(RequestId{dom0->id(), 3}, RequestId{other.id(), 2}));
}

TEST_F(Ordinals, ATransactionsEndIsTheRequestOfItsRecordConflictOrNot) {
  EXPECT_EQ(write(*dom0, "/a", "1"), "OK");
  (void)carried_out();
  for (const bool conflict : {false, true}) {
    const auto tx =
        static_cast<std::uint32_t>(std::stoul(call(*dom0, wire::kTransactionStart, {""})));
    (void)call(*dom0, wire::kRead, {"/a"}, tx);
    (void)call(*dom0, wire::kWrite, std::string_view(zstrings({"/b"}) + "x"), tx);
    if (conflict) {
      auto& other = socket();
      EXPECT_EQ(write(other, "/a", "2"), "OK");
      (void)carried_out();
    }
    EXPECT_EQ(call(*dom0, wire::kTransactionEnd, {"T"}, tx), conflict ? "EAGAIN" : "OK");
    EXPECT_THAT(carried_out(), ElementsAre(last_of(*dom0)));
  }
}

TEST_F(Ordinals, OnlyTheLastRecordOfARequestSaysThatItWasCarriedOut) {
  hypervisor.make(5, 1);
  EXPECT_EQ(write(*dom0, "/a", "1"), "OK");
  (void)carried_out();
  // The domain becomes known, and only then the list is set.
  EXPECT_EQ(set_perms(*dom0, "/a", {"n5"}), "OK");
  EXPECT_THAT(carried_out(), ElementsAre(kNone, last_of(*dom0)));
  EXPECT_EQ(call(*dom0, wire::kSetQuota, {"nodes", "55"}), "OK");
  EXPECT_THAT(carried_out(), ElementsAre(last_of(*dom0)));
  // Known, what was set for all, introduced.
  hypervisor.make(6, 1);
  EXPECT_EQ(introduce(6), "OK");
  EXPECT_THAT(carried_out(), ElementsAre(kNone, kNone, last_of(*dom0)));
  // Bound anew, then the session begun anew.
  EXPECT_EQ(introduce(6), "OK");
  EXPECT_THAT(carried_out(), ElementsAre(kNone, last_of(*dom0)));
  EXPECT_EQ(introduce(5), "OK");
  (void)carried_out();
  EXPECT_EQ(call(*dom0, wire::kSetTarget, {"6", "5"}), "OK");
  EXPECT_THAT(carried_out(), ElementsAre(last_of(*dom0)));
  // Its node, its stub domain's target, its end.
  EXPECT_EQ(release(5), "OK");
  EXPECT_THAT(carried_out(), ElementsAre(kNone, kNone, last_of(*dom0)));
}

TEST_F(Ordinals, AQuestionThatMakesADomainKnownIsAskedAgain) {
  hypervisor.make(5, 1);
  EXPECT_EQ(call(*dom0, wire::kGetFeature, {"5"}), "15");
  EXPECT_THAT(carried_out(), ElementsAre(kNone));
}

TEST_F(Ordinals, WatchesOfRingsCarryTheirRequests) {
  auto& one = guest(5);
  (void)carried_out();
  EXPECT_EQ(watch(one, "/", "t"), "OK");
  EXPECT_THAT(carried_out(), ElementsAre(last_of(one)));
  EXPECT_EQ(call(one, wire::kUnwatch, {"/", "t"}), "OK");
  EXPECT_THAT(carried_out(), ElementsAre(last_of(one)));
  EXPECT_EQ(call(one, wire::kResetWatches, {""}), "OK");
  EXPECT_THAT(carried_out(), ElementsAre(last_of(one)));
}

TEST_F(Ordinals, WhatNobodyAskedForCarriesNone) {
  auto& one = guest(5);
  (void)carried_out();
  server().freeze(one);
  EXPECT_THAT(carried_out(), ElementsAre(kNone));
  kill(5);
  EXPECT_THAT(carried_out(), testing::Each(kNone));
}

TEST_F(Ordinals, AResetThatIsOwedIsAStepOfTheNextWatch) {
  auto& one = guest(5);
  (void)carried_out();
  journal.append_errno = ENOSPC;
  server().reset_ring(one);
  journal.append_errno = 0;
  EXPECT_EQ(watch(one, "/", "t"), "OK");
  EXPECT_THAT(carried_out(), ElementsAre(kNone, last_of(one)));
}

class LateOrdinals : public LifeTest {
 protected:
  LateOrdinals() : LifeTest(FakeJournal::Mode::kLater) {}
};

TEST_F(LateOrdinals, ARequestThatIsHandledAgainAfterARollbackKeepsItsNumber) {
  begin(*dom0, wire::kWrite, zstrings({"/a"}) + "1");
  auto& other = socket();
  begin(other, wire::kRead, zstrings({"/a"}));
  lose(ENOSPC);
  EXPECT_THAT(take(other), ElementsAre("ENOENT"));
  EXPECT_EQ(other.ordinal, 1U);
}

}  // namespace
}  // namespace vxs::test
