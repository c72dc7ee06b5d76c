// The soak's clients against a server that keeps every promise but one: they have to notice.
#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "tests/crash/kept/broken.hh"

namespace vxs::test::kept {
namespace {

using std::chrono::milliseconds;

struct Allowed {
  const char* name;
  Fault fault;
  bool kept;
};
std::ostream& operator<<(std::ostream& out, const Allowed& allowed) { return out << allowed.name; }

class KeptClientsAllow : public testing::TestWithParam<Allowed> {};

TEST_P(KeptClientsAllow, WhatIsNoViolation) {
  for (const std::uint64_t seed : {1U, 2U}) {
    ScriptedWorld world(GetParam().fault, 3, GetParam().kept, seed);
    EXPECT_EQ(world.run(milliseconds(700)), "");
    const Client::Counts sum = world.crowd().counts();
    // Nothing of this was left out.
    EXPECT_GT(sum.answers, 200U);
    EXPECT_GT(sum.events, 20U);
    EXPECT_GT(sum.visits, 8U);
    EXPECT_GT(sum.tree.changes, 20U);
    EXPECT_GT(sum.pair.commits, 0U);
    EXPECT_EQ(sum.tree.continued + sum.tree.doomed > 0, GetParam().kept);
    EXPECT_EQ(sum.tree.doomed > 0, GetParam().fault == Fault::kDoomTransactions);
    EXPECT_EQ(sum.lost > 0, !GetParam().kept);
  }
}

INSTANTIATE_TEST_SUITE_P(All, KeptClientsAllow,
                         testing::Values(Allowed{"NothingWrong", Fault::kNone, true},
                                         Allowed{"ClosesIfVolatile", Fault::kNone, false},
                                         Allowed{"DoubleEvents", Fault::kDoubleEvents, true},
                                         Allowed{"RefusedTransactionsAfterAKill",
                                                 Fault::kDoomTransactions, true}),
                         [](const auto& info) { return std::string(info.param.name); });

class KeptClientsSee : public testing::TestWithParam<Broken> {};

TEST_P(KeptClientsSee, ABrokenPromise) {
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    ASSERT_NO_FATAL_FAILURE(expect_seen(GetParam(), seed));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, KeptClientsSee,
    testing::Values(Broken{"LostReply", Fault::kLoseReply, 150},
                    Broken{"DoubleReply", Fault::kDoubleReply, 150},
                    Broken{"SwappedReplies", Fault::kSwapReplies, 20},
                    Broken{"WrongRequestId", Fault::kWrongRequestId, 150},
                    Broken{"LostByte", Fault::kLoseByte, 150},
                    Broken{"Hang", Fault::kHang, 150, "no answer for"},
                    Broken{"Close", Fault::kClose, 150, "closed the connection"},
                    Broken{"CloseWithoutAKill", Fault::kClose, 50, "", false},
                    Broken{"LostFirstEvent", Fault::kDropFirstEvent, 10,
                           "first event did not come|no event of it came"},
                    Broken{"LostEvent", Fault::kDropEvent, 20, "never of change"},
                    Broken{"StrangeEvent", Fault::kStrangeEvent, 30, "never set"},
                    Broken{"LostWrite", Fault::kLoseWrite, 10},
                    Broken{"LostWriteIfVolatile", Fault::kLoseWrite, 10, "", false},
                    Broken{"StaleCounter", Fault::kStaleCounter, 10},
                    Broken{"DirtyRead", Fault::kDirtyRead, 10},
                    Broken{"HalfCommit", Fault::kHalfCommit, 2},
                    Broken{"HalfCommitIfVolatile", Fault::kHalfCommit, 2, "", false},
                    Broken{"HalfPair", Fault::kHalfPair, 5},
                    Broken{"CommitAndRefuse", Fault::kCommitAndRefuse, 5},
                    Broken{"TwoCommitsOfOneNumber", Fault::kNoConflicts, 1, "two commits"},
                    Broken{"CommitDoneAgain", Fault::kRepeatCommit, 3},
                    Broken{"ForgottenWatches", Fault::kForgetWatches, 3},
                    Broken{"ForgottenDepths", Fault::kForgetDepths, 1, "watch.s depth is"},
                    Broken{"ForgottenTransactions", Fault::kForgetTransactions, 3, "ENOENT"}),
    name_of);

}  // namespace
}  // namespace vxs::test::kept
