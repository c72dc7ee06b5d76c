#include "daemon/app/history_line.hh"

#include <gtest/gtest.h>

namespace vxs::daemon {
namespace {

using store::HistoryMark;

TEST(HistoryLine, AHistoryThatWasAlwaysOnIsOfTheState) {
  EXPECT_EQ(compare_lines({}, 0, 5), HistoryLine::kOne);
  EXPECT_EQ(compare_lines({}, 5, 5), HistoryLine::kOne);
  EXPECT_EQ(compare_lines({}, 6, 5), HistoryLine::kAhead);
  EXPECT_EQ(mark_with_history({}, HistoryLine::kOne, 5), HistoryMark{});
  EXPECT_EQ(mark_with_history({}, std::nullopt, 5), HistoryMark{});
}

TEST(HistoryLine, WhatWasOffForAWhileGoesOnWhereItEnded) {
  const HistoryMark off = mark_without_history({}, 100);
  EXPECT_EQ(mark_without_history(off, 200), off);
  EXPECT_EQ(compare_lines(off, 100, 250), HistoryLine::kOne);
  EXPECT_EQ(compare_lines(off, 90, 250), HistoryLine::kOne);
  EXPECT_EQ(mark_with_history(off, HistoryLine::kOne, 250), HistoryMark{});
}

TEST(HistoryLine, AStoreThatBeganWithoutHistoryIsNotOfAnOlderOne) {
  const HistoryMark off = mark_without_history({}, 0);
  for (const Seq newest : {1U, 50U, 5000U}) {
    EXPECT_EQ(compare_lines(off, newest, 200), HistoryLine::kForeign) << newest;
  }
  EXPECT_EQ(compare_lines(off, 0, 200), HistoryLine::kOne) << "there is none";
  // Until it has what came after, every start asks again.
  const HistoryMark on = mark_with_history(off, HistoryLine::kForeign, 5200);
  EXPECT_EQ(compare_lines(on, 5000, 5300), HistoryLine::kForeign);
  EXPECT_EQ(mark_with_history(on, HistoryLine::kForeign, 5300), (HistoryMark{false, 5301}));
  EXPECT_EQ(compare_lines(on, 5201, 5300), HistoryLine::kOne);
  EXPECT_EQ(compare_lines(on, 5400, 5300), HistoryLine::kAhead);
  EXPECT_EQ(mark_with_history(on, HistoryLine::kOne, 5300), HistoryMark{});
  EXPECT_EQ(mark_with_history(off, std::nullopt, 200), (HistoryMark{false, 201}));
}

// --durability memory: the history had more than the checkpoint that the run without it began with.
TEST(HistoryLine, WhatWasLostBeforeItWasOffIsOfAnotherTime) {
  const HistoryMark off = mark_without_history({}, 500);
  EXPECT_EQ(compare_lines(off, 1000, 600), HistoryLine::kForeign);
  EXPECT_EQ(compare_lines(off, 1000, 2000), HistoryLine::kForeign);
}

TEST(HistoryLine, OffAgainBeforeItCouldGoOnIsOfAnotherTimeStill) {
  const HistoryMark on{.off = false, .seq = 201};
  EXPECT_EQ(compare_lines(mark_without_history(on, 300), 50, 400), HistoryLine::kForeign);
}

}  // namespace
}  // namespace vxs::daemon
