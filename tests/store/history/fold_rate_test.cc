#include "store/history/fold_rate.hh"

#include <gtest/gtest.h>

namespace vxs::history_test {
namespace {

using store::FoldRate;

// Commits (not records) made in `seconds` of `per_second` records, each fold filled.
double commits_of(FoldRate& rate, DomId domid, int per_second, int from_s, int seconds) {
  double commits = 0;
  for (int i = 0; i < per_second * seconds; ++i) {
    const std::int64_t time = from_s * 1'000'000LL + i * 1'000'000LL / per_second;
    commits += 1.0 / rate.next(domid, time, 0);
  }
  return commits;
}

TEST(FoldRate, NothingIsFoldedWithinTheRate) {
  FoldRate rate(200);
  EXPECT_EQ(commits_of(rate, 5, 200, 0, 30), 200 * 30);
}

TEST(FoldRate, ASecondsWorthMayComeAtOnce) {
  FoldRate rate(200);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(rate.next(5, 1000, 0), 1U) << i;
  EXPECT_EQ(rate.next(5, 1000, 0), 4U);
  EXPECT_EQ(rate.next(5, 2'000'000, 0), 1U);
}

TEST(FoldRate, AFloodIsFoldedMoreAndMoreUntilItIsAtItsRate) {
  for (const int per_second : {300, 1000, 5000, 10'000}) {
    FoldRate rate(200);
    const double commits = commits_of(rate, 5, per_second, 0, 30);
    EXPECT_LE(commits, 200 * 31 + 200) << per_second;
    EXPECT_GE(commits, 100 * 30) << per_second;  // and not much more than needed
  }
  FoldRate rate(200);
  commits_of(rate, 5, 100'000, 0, 1);
  EXPECT_EQ(rate.next(5, 1'000'000, 0), FoldRate::kMostFolded);
}

TEST(FoldRate, EachDomainHasItsOwnBudget) {
  FoldRate rate(200);
  commits_of(rate, 5, 100'000, 0, 1);
  EXPECT_EQ(rate.next(6, 1'000'000, 0), 1U);
}

TEST(FoldRate, LagFoldsEverybodyAndAClockThatGoesBackGivesNothing) {
  FoldRate rate(200);
  EXPECT_EQ(rate.next(5, 0, 500'000), 1U);
  EXPECT_EQ(rate.next(5, 0, 500'001), 4U);
  EXPECT_EQ(rate.next(5, 0, 3'000'000), 16U);
  EXPECT_EQ(rate.next(5, 0, 60'000'000), 64U);
  commits_of(rate, 5, 100'000, 10, 1);
  EXPECT_NE(rate.next(5, 0, 0), 1U);
  EXPECT_NE(rate.next(5, 1000, 0), 1U);
}

TEST(FoldRate, G1_Dom0IsFoldedOnlyWhenHistoryLags) {
  FoldRate rate(200);
  EXPECT_EQ(commits_of(rate, 0, 100'000, 0, 1), 100'000);
  EXPECT_EQ(rate.next(0, 1'000'000, 500'001), 4U);
}

// In a split store dom0 is a guest like others, or is not there, and the toolstack is elsewhere.
TEST(FoldRate, G1_InASplitStoreTheControlDomainIsFoldedOnlyWhenHistoryLags) {
  FoldRate rate(200, {7, 3});
  EXPECT_EQ(commits_of(rate, 7, 100'000, 0, 1), 100'000);
  EXPECT_EQ(commits_of(rate, 3, 100'000, 0, 1), 100'000);
  EXPECT_LT(commits_of(rate, 0, 100'000, 0, 1), 2000);
  EXPECT_EQ(rate.next(7, 1'000'000, 500'001), 4U);
}

TEST(FoldRate, ARateOfZeroNeverFolds) {
  FoldRate rate(0);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(rate.next(5, 0, 60'000'000), 1U);
}

}  // namespace
}  // namespace vxs::history_test
