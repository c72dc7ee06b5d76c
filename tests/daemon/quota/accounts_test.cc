// Accounts alone: what is counted, what fits, who rests.
#include "daemon/core/accounts.hh"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/daemon/core/core_fixture.hh"

namespace vxs::test {
namespace {

using config::Quota;
using daemon::Account;
using daemon::Accounts;
using daemon::RequestInFlight;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using transactions::Owner;

class AccountsTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kBudget = 1'000'000;

  std::vector<std::string> settled() {
    std::vector<std::string> said;
    accounts.settle([&](DomId domid, bool paused) {
      said.push_back((paused ? "pause " : "resume ") + std::to_string(domid));
    });
    return said;
  }

  ManualClock clock;
  CollectingObserver observer;
  config::QuotaSettings limits;
  daemon::Domains domains{0, {}};
  Accounts accounts{clock, observer, domains, kBudget};
  std::shared_ptr<Account> guest = accounts.open({5, 1}, limits);
};

TEST_F(AccountsTest, Limits_G2_FitExactlyAndZeroIsUnlimited) {
  limits[Quota::kWatches] = 3;
  guest->add_watches(2, 0);
  EXPECT_TRUE(guest->fits(Quota::kWatches, 1));
  EXPECT_FALSE(guest->fits(Quota::kWatches, 2));
  limits[Quota::kWatches] = 0;  // G1
  EXPECT_TRUE(guest->fits(Quota::kWatches, 1'000'000));
  limits[Quota::kNodePermissions] = 5;
  EXPECT_TRUE(guest->allows(Quota::kNodePermissions, 5));
  EXPECT_FALSE(guest->allows(Quota::kNodePermissions, 6));
}

TEST_F(AccountsTest, Outstanding_G5_AtTheLimitTheRingRestsAndBelowItGoesOn) {
  std::vector<daemon::Cause> causes;
  for (int i = 0; i < 19; ++i) causes.push_back(std::make_shared<RequestInFlight>(guest));
  EXPECT_THAT(settled(), IsEmpty());
  causes.push_back(std::make_shared<RequestInFlight>(guest));
  EXPECT_EQ(guest->blocked(), daemon::kPauseOutstanding);
  EXPECT_THAT(settled(), ElementsAre("pause 5"));
  EXPECT_THAT(settled(), IsEmpty());
  const daemon::Cause also_held = causes.back();
  causes.pop_back();
  EXPECT_THAT(settled(), IsEmpty());  // something still waits for it
  causes.pop_back();
  EXPECT_THAT(settled(), ElementsAre("resume 5"));
  EXPECT_EQ(guest->level(Quota::kOutstanding).highest, 20U);
}

TEST_F(AccountsTest, Memory_G6_IsTheSumOfItsParts) {
  guest->add_nodes(2, 100);
  guest->add_watches(1, 20);
  guest->add_transactions(1, 300);
  guest->add_queued(4000);
  EXPECT_EQ(guest->level(Quota::kMemory).now, 4420U);
  guest->add_queued(-4000);
  guest->add_transactions(-1, -300);
  EXPECT_EQ(guest->level(Quota::kMemory).now, 120U);
  EXPECT_EQ(guest->level(Quota::kMemory).highest, 4420U);
  EXPECT_EQ(guest->level(Quota::kTransactions).now, 0U);
  EXPECT_EQ(guest->level(Quota::kTransactions).highest, 1U);
}

TEST_F(AccountsTest, Memory_G6_AboveTheLimitItRestsWhileSomethingIsQueued) {
  limits[Quota::kMemory] = 1000;
  guest->add_nodes(1, 990);
  guest->add_queued(10);
  EXPECT_EQ(guest->blocked(), 0);  // exactly the limit
  guest->add_queued(1);
  EXPECT_EQ(guest->blocked(), daemon::kPauseMemory);
  EXPECT_THAT(settled(), ElementsAre("pause 5"));
  guest->add_queued(-11);
  EXPECT_THAT(settled(), ElementsAre("resume 5"));
  guest->add_nodes(1, 5000);  // a gift (G4): it must be able to remove it
  EXPECT_THAT(settled(), IsEmpty());
}

TEST_F(AccountsTest, SoftMemory_G6_WarnsOnceIn10Seconds) {
  limits[Quota::kSoftMemory] = 1000;
  guest->add_nodes(1, 1000);
  EXPECT_THAT(observer.warnings, IsEmpty());
  guest->add_nodes(0, 1);
  EXPECT_THAT(observer.warnings, ElementsAre(HasSubstr("soft-memory of 1000")));
  guest->add_nodes(0, -1);
  clock.now_us += 9'999'999;
  guest->add_nodes(0, 1);
  EXPECT_EQ(observer.warnings.size(), 1U);
  guest->add_nodes(0, -1);
  clock.now_us += 1;
  guest->add_nodes(0, 1);
  EXPECT_EQ(observer.warnings.size(), 2U);
  EXPECT_EQ(guest->level(Quota::kSoftMemory).refused, 3U);
}

TEST_F(AccountsTest, Hit_G6_IsCountedAlwaysAndLoggedOnceIn10Seconds) {
  for (int i = 0; i < 1000; ++i) guest->hit(Quota::kNodes);
  EXPECT_EQ(guest->level(Quota::kNodes).refused, 1000U);
  EXPECT_THAT(observer.warnings, ElementsAre(HasSubstr("domain 5 reached its limit of nodes")));
  const auto other = accounts.open({6, 1}, limits);
  other->hit(Quota::kNodes);  // each domain has its own line
  EXPECT_EQ(observer.warnings.size(), 2U);
}

TEST_F(AccountsTest, Credits_E13_PauseAtZeroAndComeBackWithTime) {
  clock.now_us = 10'000'000;
  for (Seq seq = 1; seq <= 4; ++seq) guest->lose_credit(clock.now_us, seq);
  EXPECT_EQ(guest->blocked(), 0);
  guest->lose_credit(clock.now_us, 5);
  EXPECT_EQ(guest->blocked(), daemon::kPauseCredits);
  EXPECT_THAT(settled(), ElementsAre("pause 5"));
  EXPECT_EQ(accounts.next_us(), 10'000'000 + Account::kCreditIncomeUs);
  clock.now_us += Account::kCreditIncomeUs - 1;
  accounts.advance(0);
  EXPECT_THAT(settled(), IsEmpty());
  clock.now_us += 1;
  accounts.advance(0);
  EXPECT_THAT(settled(), ElementsAre("resume 5"));
  EXPECT_EQ(accounts.next_us(), std::nullopt);
  clock.now_us += 3600'000'000;
  accounts.advance(0);
  EXPECT_EQ(guest->credits(), Account::kCredits);  // no more than the burst
}

TEST_F(AccountsTest, Credits_E13_WhoHasNoRingHasNone) {
  const auto dom0 = std::make_shared<Account>(accounts, Owner{0, 0});
  for (Seq seq = 1; seq <= 100; ++seq) dom0->lose_credit(clock.now_us, seq);
  EXPECT_EQ(dom0->blocked(), 0);
}

TEST_F(AccountsTest, Journal_AShareOfWhatIsLeftAndThenRestUntilSomeIsFreed) {
  const auto quiet = accounts.open({6, 1}, limits);
  guest->wrote(700'000, 750'000);
  EXPECT_FALSE(accounts.journal_is_short());
  guest->wrote(10, 750'001);  // short from here on
  EXPECT_TRUE(accounts.journal_is_short());
  EXPECT_EQ(accounts.journal_share(), (kBudget - 750'001) / 2 / 2);
  guest->wrote(accounts.journal_share() - 11, 800'000);
  EXPECT_EQ(guest->blocked(), 0);
  guest->wrote(1, 800'000);
  EXPECT_EQ(guest->blocked(), daemon::kPauseJournal);
  EXPECT_THAT(settled(), ElementsAre("pause 5"));
  quiet->wrote(100, 900'000);
  EXPECT_EQ(quiet->blocked(), 0);
  accounts.advance(800'000);  // freed: shared out again
  EXPECT_THAT(settled(), ElementsAre("resume 5"));
  guest->wrote(accounts.journal_share(), 810'000);
  EXPECT_THAT(settled(), ElementsAre("pause 5"));
  accounts.advance(100'000);
  EXPECT_THAT(settled(), ElementsAre("resume 5"));
  EXPECT_FALSE(accounts.journal_is_short());
}

TEST_F(AccountsTest, Journal_AllGuestsTogetherLeaveHalfOfTheRestToOthers) {
  std::vector<std::shared_ptr<Account>> guests{guest};
  for (DomId domid = 6; domid < 106; ++domid) guests.push_back(accounts.open({domid, 1}, limits));
  std::uint64_t bytes = kBudget / 4 * 3 + 1;
  const std::uint64_t left = kBudget - bytes;
  std::uint64_t appended = 0;
  for (bool any = true; any;) {
    any = false;
    for (const auto& one : guests) {
      if (one->blocked() != 0) continue;
      any = true;
      one->wrote(100, bytes);
      bytes += 100;
      appended += 100;
    }
  }
  EXPECT_LE(appended, left / 2 + 101 * 100);
  EXPECT_GE(appended, left / 2 - 101 * 100);
}

TEST_F(AccountsTest, Owners_C13_LivesOfOneDomidAreNotMixed) {
  store::PermTable table;
  store::TreeStats stats;
  const auto list = [&](DomId domid, Incarnation life) {
    const std::vector<protocol::PermEntry> entries{{.domid = domid, .incarnation = life}};
    return table.intern(entries);
  };
  transactions::Head head(stats, table, store::Tree(stats, list(0, 0), list(0, 0), list(0, 0)), 0);
  accounts.add_tree(head.tree());
  head.set_ledger(&accounts);
  const auto create = [&](std::string_view path, store::PermRef perms) {
    const store::Change change{
        .kind = store::ChangeKind::kCreate, .path = path, .value = {}, .perms = std::move(perms)};
    ASSERT_TRUE(head.commit(std::span(&change, 1), head.seq() + 1, 0));
  };
  create("/a", list(5, 1));
  create("/b", list(5, 2));
  EXPECT_EQ(guest->level(Quota::kNodes).now, 1U);
  EXPECT_EQ(accounts.find({5, 2})->level(Quota::kNodes).now, 1U);
  EXPECT_EQ(accounts.open_of(5), guest.get());
  EXPECT_THAT(accounts.check(head.tree()), IsEmpty());

  accounts.close({5, 1});  // G10: its nodes go by their removal, not before
  EXPECT_EQ(accounts.open_of(5), nullptr);
  ASSERT_NE(accounts.find({5, 1}), nullptr);
  const store::Change removal{
      .kind = store::ChangeKind::kRemove, .path = "/a", .value = {}, .perms = {}};
  ASSERT_TRUE(head.commit(std::span(&removal, 1), head.seq() + 1, 0));
  EXPECT_EQ(accounts.find({5, 1}), nullptr);
  EXPECT_THAT(accounts.check(head.tree()), IsEmpty());

  guest.reset();
  const auto next = accounts.open({5, 3}, limits);  // nothing inherited
  EXPECT_EQ(next->level(Quota::kNodes).now, 0U);
  EXPECT_EQ(next->level(Quota::kMemory).now, 0U);
}

TEST_F(AccountsTest, Check_H2_SaysWhatIsCountedWrongly) {
  store::PermTable table;
  store::TreeStats stats;
  const std::vector<protocol::PermEntry> entries{{.domid = 0}};
  const auto perms = table.intern(entries);
  const store::Tree tree(stats, perms, perms, perms);
  accounts.add_tree(tree);
  EXPECT_THAT(accounts.check(tree), IsEmpty());
  guest->add_nodes(1, 30);
  EXPECT_THAT(accounts.check(tree),
              ElementsAre("domain 5: 1 nodes of 30 bytes are accounted, it owns 0 of 0"));
  accounts.recount(tree);
  EXPECT_THAT(accounts.check(tree), IsEmpty());
}

TEST_F(AccountsTest, Highest_H2_IsOfGuestsOnlyAndCanBeReset) {
  accounts.open({6, 1}, limits)->add_watches(70, 0);
  guest->add_watches(50, 0);
  guest->add_watches(-40, 0);
  accounts.open({0, 0}, limits)->add_watches(1000, 0);
  EXPECT_EQ(accounts.highest(Quota::kWatches), 70U);
  accounts.close({6, 1});
  EXPECT_EQ(accounts.highest(Quota::kWatches), 70U);  // remembered
  accounts.reset_highest();
  EXPECT_EQ(accounts.highest(Quota::kWatches), 10U);
  EXPECT_EQ(guest->level(Quota::kWatches).highest, 10U);
}

TEST_F(AccountsTest, Pause_AClosedAccountIsNoLongerSettled) {
  guest->lose_credit(clock.now_us, 1);
  std::vector<daemon::Cause> causes;
  for (int i = 0; i < 20; ++i) causes.push_back(std::make_shared<RequestInFlight>(guest));
  accounts.close({5, 1});
  EXPECT_THAT(settled(), IsEmpty());
  causes.clear();
  EXPECT_THAT(settled(), IsEmpty());
  EXPECT_EQ(guest->level(Quota::kOutstanding).now, 0U);
}

// Bug: it rested for ever, for nobody gave credits to one that had been closed.
TEST_F(AccountsTest, Bug_AnAccountThatIsOpenedAgainOwesNothing) {
  limits[Quota::kSoftMemory] = 1000;
  guest->add_nodes(1, 2000);  // they keep the account
  for (Seq seq = 1; seq <= 10; ++seq) guest->lose_credit(clock.now_us, seq);
  EXPECT_EQ(guest->blocked(), daemon::kPauseCredits);
  accounts.close({5, 1});
  clock.now_us += 1'000;
  const auto again = accounts.open({5, 1}, limits);
  ASSERT_EQ(again, guest);
  EXPECT_EQ(again->credits(), Account::kCredits);
  EXPECT_EQ(again->blocked(), 0);
  EXPECT_THAT(settled(), IsEmpty());
  clock.now_us += 10'000'000;
  observer.warnings.clear();
  again->add_nodes(0, 1);
  EXPECT_THAT(observer.warnings, ElementsAre(HasSubstr("soft-memory")));
}

}  // namespace
}  // namespace vxs::test
